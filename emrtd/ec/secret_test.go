package ec

import (
	"go/ast"
	"go/parser"
	"go/token"
	"testing"
)

// secretPath lists the functions through which secret scalars and exponents go, with how often each may
// name math/big: crypto/elliptic hands affine coordinates of points on NIST curves in and out so.
var secretPath = map[string]map[string]int{
	".": {"ScalarMult": 2, "ScalarBaseMult": 0, "scalar": 0, "mult": 0, "GenerateKey": 0, "ReduceScalar": 0, "Quotient": 0, "addTo": 0,
		"double": 0, "cmov": 0, "mul": 0, "reduce": 0, "add": 0, "sub": 0, "neg": 0, "set": 0, "setWide": 0, "bytes": 0, "equal": 0, "exp": 0, "invert": 0, "load": 0, "store": 0},
	"../dh": {"GenerateKey": 0, "Exp": 0, "Agree": 0, "Mul": 0, "below": 0, "zero": 0, "exp": 0, "mul": 0, "load": 0, "store": 0},
}

// Nothing on the way of a secret scalar is a big.Int, whose operations take a time that depends on their
// values. The test reads the source: a function that begins to use one is named here.
func TestNoBigIntOnSecrets(t *testing.T) {
	for dir, want := range secretPath {
		pkgs, err := parser.ParseDir(token.NewFileSet(), dir, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for name, pkg := range pkgs {
			if name != "ec" && name != "dh" {
				continue
			}
			for file, f := range pkg.Files {
				if len(file) > 8 && file[len(file)-8:] == "_test.go" {
					continue
				}
				for _, d := range f.Decls {
					fn, ok := d.(*ast.FuncDecl)
					if !ok {
						continue
					}
					allowed, secret := want[fn.Name.Name]
					if !secret {
						continue
					}
					seen[fn.Name.Name] = true
					n := 0
					ast.Inspect(fn.Body, func(x ast.Node) bool {
						if s, ok := x.(*ast.SelectorExpr); ok {
							if id, ok := s.X.(*ast.Ident); ok && id.Name == "big" {
								n++
							}
						}
						return true
					})
					if n > allowed {
						t.Errorf("%s: %s uses math/big %d times, %d allowed", dir, fn.Name.Name, n, allowed)
					}
				}
			}
		}
		for f := range want {
			if !seen[f] {
				t.Errorf("%s: no function %s: the list is out of date", dir, f)
			}
		}
	}
}
