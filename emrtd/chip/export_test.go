package chip

import (
	"crypto/aes"
	"crypto/cipher"
)

func aesDecrypt(key, in []byte) []byte {
	b, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	out := make([]byte, len(in))
	cipher.NewCBCDecrypter(b, make([]byte, 16)).CryptBlocks(out, in)
	return out
}
