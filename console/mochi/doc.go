// Package mochi holds what a broker of github.com/mochi-mqtt/server needs beside the library to be relied
// upon: an orderly change from a client's old connection to its new one, and an end that comes.
package mochi
