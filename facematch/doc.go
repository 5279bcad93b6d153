// Package facematch compares one live person with one portrait: detection, landmarks, alignment,
// quality, presentation attack detection, embedding and a 1:1 decision, with models of a verified
// pack run by ONNX Runtime.
//
// It holds no gallery and no search: a Session compares with the one Reference that it was given. It
// infers no age, sex, origin or emotion (F-13). Frames, crops and templates live in memory of this
// package only, are never written anywhere and are wiped by Session.Close, Reference.Wipe and
// Engine.Close; what leaves are counts, instructions, scores for the policy and bands.
//
// The package knows the verdict vocabulary and no device: the caller hands raw pictures over.
package facematch
