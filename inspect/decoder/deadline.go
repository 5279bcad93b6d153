package decoder

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// limitTime has the kernel end this process when it has used so much processor time (all threads, from its
// start). Other than RLIMIT_CPU it knows parts of a second.
func limitTime(d time.Duration) error {
	const processTime = 2 // CLOCK_PROCESS_CPUTIME_ID
	event := struct {     // struct sigevent, 64 bytes
		value          uintptr
		signal, notify int32 // notify 0: SIGEV_SIGNAL
		_              [64 - 8 - unsafe.Sizeof(uintptr(0))]byte
	}{signal: int32(unix.SIGKILL)}
	var id int32
	if _, _, e := unix.Syscall(unix.SYS_TIMER_CREATE, processTime, uintptr(unsafe.Pointer(&event)), uintptr(unsafe.Pointer(&id))); e != 0 {
		return e
	}
	end := unix.ItimerSpec{Value: unix.NsecToTimespec(d.Nanoseconds())}
	const absolute = 1 // TIMER_ABSTIME
	if _, _, e := unix.Syscall6(unix.SYS_TIMER_SETTIME, uintptr(id), absolute, uintptr(unsafe.Pointer(&end)), 0, 0, 0); e != 0 {
		return e
	}
	return nil
}
