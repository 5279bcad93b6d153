// Package simhal carries lines and camera pictures between the controller and a simulated gate over
// unix sockets. It has both ends: DialLines and DialCamera implement the contracts of package hal,
// LineServer and CameraServer are the far ends.
//
// # Lines
//
// One JSON object per line of text, at most MaxLineMessage bytes. The far end begins with
//
//	{"t":"hello","inputs":{"entry_closed":true,…},"seqs":{"entry_closed":4,…},"outputs":["entry_lock",…],"at":123}
//
// or {"t":"busy"} when another client holds the lines, as a kernel line would (EBUSY). Then
//
//	far end → client  {"t":"in","line":"entry_closed","level":false,"at":456,"seq":5}
//	client → far end  {"t":"set","id":1,"line":"entry_lock","level":true}
//	far end → client  {"t":"ok","id":1}   or {"t":"no","id":1,"why":"unknown line"}
//
// at is nanoseconds since the far end started; seq counts the edges of one line. When a client goes
// away, killed or not, every output falls Low.
//
// # Camera
//
// The client sends one byte 'N' for each frame it wants; the far end renders one frame at its next
// tick and answers with a header of 32 bytes, big endian, and the pixels: "EGCF", format (1 byte,
// hal.PixelFormat), 3 zero bytes, width, height, stride, seq (4 bytes each), at in nanoseconds since
// the far end started (8 bytes); the number of pixel bytes is stride × height (for NV12 one and a half
// times that), and for MJPEG the stride is the number of bytes. Nothing is rendered unasked (DP-06).
package simhal

// MaxLineMessage caps one message of the line protocol in bytes; a hello of several hundred lines fits.
const MaxLineMessage = 64 << 10
