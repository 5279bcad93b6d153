package run

import (
	"egate/emrtd/chip"
	"egate/sim/scenario"
)

// The far ends of the devices of one gate, as this package needs them.

// scannerEnd is the glass of the document scanner.
type scannerEnd interface {
	Lay(lines [2]string) error
	Lift() error
}

// readerEnd is the antenna of the contactless reader.
type readerEnd interface {
	Lay(c *chip.Chip)
	Lift()
}

// cameraEnd is what stands before the camera, and what left it.
type cameraEnd interface {
	// Stand puts somebody before the camera; who is the name of a portrait. With a sheet or a panel it is a print, or
	// a film, of them.
	Stand(who string, sheet *scenario.Sheet, panel *scenario.Panel) error
	// Shine lights what stands there: the ground of the traveller screen (0xRRGGBB, zero is dark) and the three lamps.
	Shine(page uint32, r, g, b bool)
	// Leave empties the view.
	Leave()
	// Look turns the head: yaw in degrees, positive towards a dot at +1 (the subject's right).
	Look(yaw float64)
	// Frames counts the pictures that a client has got since Forget, and tells whether one is open.
	Frames() (n int, open bool)
	// Samples returns rows of pictures that a client got, as they left the camera.
	Samples() [][]byte
	Forget()
}

// FarEnds are the far ends of one gate.
type FarEnds struct {
	Scanner scannerEnd
	Reader  readerEnd
	Camera  cameraEnd
}
