package api

import "time"

// Contract names this version of the messages.
const Contract = "egate/v1"

// Info is the retained description of a gate: what changes with its software and configuration only.
type Info struct {
	At        time.Time `json:"at"`
	Contract  string    `json:"contract"` // Contract
	Boot      string    `json:"boot"`
	Version   string    `json:"version"`
	Kid       string    `json:"kid"` // key with which the gate signs
	Topology  string    `json:"topology,omitempty"`
	Languages []string  `json:"languages,omitempty"`
	Simulated bool      `json:"simulated,omitempty"`
}
