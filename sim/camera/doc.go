// Package camera is the simulated camera of a gate: it draws what a camera sees. A living person is a
// portrait on a head-shaped surface that turns, breathes and is lit by lamps and screen; a print is
// the same portrait on a flat sheet, bent or tilted, or played by a panel, held by hands. They differ by what the camera
// sees and by nothing else: no flag leaves this package.
//
// Lengths are millimetres, angles degrees, times those of the caller. x is to the right of the
// picture, y down, z away from the camera.
package camera
