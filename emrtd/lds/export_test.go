package lds

import "egate/emrtd/ber"

func encode(tag uint16, parts ...[]byte) []byte { return ber.Encode(tag, parts...) }
