// Package evaluate measures what the models of a pack do on labelled pictures: recognition after ISO/IEC
// 19795-1 (rates of failure, false match and false non-match, with bounds), differences between labelled
// groups after ISO/IEC 19795-10, presentation attack detection after ISO/IEC 30107-3.
//
// The stages are the gate's (package facematch); this package counts. It keeps no template on disk. What
// has no data is reported as not evaluated, and a target that the data cannot support says so.
package evaluate
