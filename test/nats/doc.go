// Package nats holds tests against a cluster of NATS servers with JetStream and MQTT. It is a module of its own,
// so that the product depends on no NATS server: `make nats`.
package nats
