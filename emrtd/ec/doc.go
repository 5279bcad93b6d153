// Package ec provides the elliptic curves of machine readable travel documents: the standardised
// domain parameters 8 to 18 of ICAO Doc 9303-11 §9.5.1 (NIST P-192 to P-521, brainpool P192r1 to
// P512r1 of RFC 5639), point arithmetic with arbitrary base points as PACE needs it, and ECDSA.
//
// Scalar multiplication never branches on, nor indexes memory by, a secret. NIST P-224 to P-521 run
// on the standard library (crypto/elliptic over its internal constant-time implementation); P-192 and
// the brainpool curves, which it lacks, run on fixed-limb Montgomery arithmetic with the complete
// addition formulas of Renes, Costello and Batina (EUROCRYPT 2016, algorithms 1 and 3) and a fixed
// window with constant-time table look-up. math/big occurs for public values only: domain parameters,
// points on the wire and signatures; one exception is that crypto/elliptic takes and gives the affine
// coordinates of (not the scalar for) shared points as big.Int.
package ec
