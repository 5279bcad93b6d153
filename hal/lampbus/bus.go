package lampbus

import (
	"fmt"
	"regexp"
	"strconv"

	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/spi"
	"periph.io/x/host/v3/sysfs"
)

var (
	i2cNode = regexp.MustCompile(`^/dev/i2c-(\d{1,3})$`)
	spiNode = regexp.MustCompile(`^/dev/spidev(\d{1,3})\.(\d{1,2})$`)
)

// I2C opens /dev/i2c-N.
func I2C(device string) (i2c.BusCloser, error) {
	m := i2cNode.FindStringSubmatch(device)
	if m == nil {
		return nil, fmt.Errorf("lampbus: %q is no I²C bus: /dev/i2c-1 is one", device)
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return nil, err
	}
	b, err := sysfs.NewI2C(n)
	if err != nil {
		return nil, fmt.Errorf("lampbus: %s: %w (the module i2c-dev makes it)", device, err)
	}
	return b, nil
}

// SPI opens /dev/spidevN.M.
func SPI(device string) (spi.PortCloser, error) {
	m := spiNode.FindStringSubmatch(device)
	if m == nil {
		return nil, fmt.Errorf("lampbus: %q is no SPI port: /dev/spidev0.0 is one", device)
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return nil, err
	}
	cs, err := strconv.Atoi(m[2])
	if err != nil {
		return nil, err
	}
	p, err := sysfs.NewSPI(n, cs)
	if err != nil {
		return nil, fmt.Errorf("lampbus: %s: %w (the board's SPI must be switched on)", device, err)
	}
	return p, nil
}
