// Package run plays scenarios with the real programs: it makes a throw-away site, starts the far ends
// of all devices, a network in front of the broker that can be cut or forged, egate-console and
// egated, walks travellers through the plant and judges what came of it.
//
// Nothing is scaled and nothing is told to the programs under test: what they know they learn
// through scanner, chip, camera, lines, network and screen.
package run
