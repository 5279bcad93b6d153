package facematch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Limits on a graph, checked before the runtime sees a byte of it.
const (
	maxNodes = 20000 // the largest face models in use have about 2,000
	maxDepth = 8     // of nested messages that are followed
	maxOpset = 25
)

// checkGraph walks the protobuf of an ONNX model and refuses what a face model has no use for:
// weights in other files (a path is a way out of the pack), operator domains other than the
// standard's (custom operators are code), functions, and control flow (loops without bound).
func checkGraph(b []byte) error {
	nodes, graph, opset := 0, false, false
	err := fields(b, func(num int, data []byte, v uint64) error {
		switch num {
		case 7: // ModelProto.graph
			graph = true
			return checkGraphProto(data, &nodes, 0)
		case 8: // opset_import
			opset = true
			return checkOpset(data)
		case 20, 25: // training_info, functions
			return errors.New("training information or functions in the graph")
		}
		return nil
	})
	if err != nil {
		return err
	}
	if !graph || !opset || nodes == 0 {
		return errors.New("not an ONNX model")
	}
	return nil
}

func standardDomain(d string) bool { return d == "" || d == "ai.onnx" }

func checkOpset(b []byte) error {
	return fields(b, func(num int, data []byte, v uint64) error {
		if num == 1 && !standardDomain(string(data)) {
			return fmt.Errorf("operator domain %.40q", data)
		}
		if num == 2 && v > maxOpset {
			return fmt.Errorf("operator set %d", v)
		}
		return nil
	})
}

func checkGraphProto(b []byte, nodes *int, depth int) error {
	if depth > maxDepth {
		return errors.New("graph nested too deep")
	}
	return fields(b, func(num int, data []byte, v uint64) error {
		switch num {
		case 1: // node
			if *nodes++; *nodes > maxNodes {
				return fmt.Errorf("more than %d nodes", maxNodes)
			}
			return checkNode(data)
		case 5: // initializer
			return checkTensor(data)
		case 15: // sparse_initializer
			return errors.New("sparse weights")
		}
		return nil
	})
}

func checkNode(b []byte) error {
	return fields(b, func(num int, data []byte, v uint64) error {
		switch num {
		case 4: // op_type
			switch string(data) {
			case "If", "Loop", "Scan", "SequenceMap":
				return fmt.Errorf("control flow operator %s", data)
			}
		case 7: // domain
			if !standardDomain(string(data)) {
				return fmt.Errorf("operator domain %.40q", data)
			}
		case 5: // attribute
			return fields(data, func(num int, data []byte, v uint64) error {
				switch num {
				case 5, 10: // t, tensors
					return checkTensor(data)
				case 6, 11: // g, graphs
					return errors.New("graph inside a node")
				case 22, 23: // sparse_tensor(s)
					return errors.New("sparse weights")
				}
				return nil
			})
		}
		return nil
	})
}

func checkTensor(b []byte) error {
	return fields(b, func(num int, data []byte, v uint64) error {
		if num == 13 || num == 14 && v != 0 { // external_data, data_location
			return errors.New("weights outside of the file")
		}
		return nil
	})
}

// graphValue is an input or output of a graph as it declares itself.
type graphValue struct {
	name  string
	float bool    // a tensor of float32
	shape []int64 // -1 where the dimension is symbolic
}

// fits compares with the shape of a manifest; a symbolic dimension takes any value.
func (g *graphValue) fits(want []int64) bool {
	if !g.float || len(g.shape) != len(want) {
		return false
	}
	for i, v := range g.shape {
		if v > 0 && v != want[i] {
			return false
		}
	}
	return true
}

// graphValues reads what a graph takes (its inputs that are no weights) and gives (onnx.proto: ModelProto,
// GraphProto, ValueInfoProto).
func graphValues(b []byte) (ins, outs []graphValue, err error) {
	weights := map[string]bool{}
	err = fields(b, func(num int, data []byte, _ uint64) error {
		if num != 7 { // graph
			return nil
		}
		return fields(data, func(num int, data []byte, _ uint64) error {
			switch num {
			case 5: // initializer; its name is field 8
				return fields(data, func(num int, data []byte, _ uint64) error {
					if num == 8 {
						weights[string(data)] = true
					}
					return nil
				})
			case 11, 12: // input, output
				g, err := graphValueOf(data)
				if err != nil {
					return err
				}
				if num == 11 {
					ins = append(ins, g)
				} else {
					outs = append(outs, g)
				}
			}
			return nil
		})
	})
	return slices.DeleteFunc(ins, func(g graphValue) bool { return weights[g.name] }), outs, err
}

func graphValueOf(b []byte) (g graphValue, err error) {
	const float32Tensor = 1 // TensorProto.DataType
	err = fields(b, func(num int, data []byte, _ uint64) error {
		switch num {
		case 1:
			g.name = string(data)
		case 2: // type
			return fields(data, func(num int, data []byte, _ uint64) error {
				if num != 1 { // tensor_type
					return nil
				}
				return fields(data, func(num int, data []byte, v uint64) error {
					switch num {
					case 1:
						g.float = v == float32Tensor
					case 2: // shape: dimensions, each with a value (1) or a name (2)
						g.shape = nil
						return fields(data, func(num int, data []byte, _ uint64) error {
							if num != 1 {
								return nil
							}
							size := int64(-1)
							err := fields(data, func(num int, _ []byte, v uint64) error {
								if num == 1 {
									size = int64(v)
								}
								return nil
							})
							g.shape = append(g.shape, size)
							return err
						})
					}
					return nil
				})
			})
		}
		return nil
	})
	return g, err
}

var errGraph = errors.New("graph is cut off or malformed")

// fields calls f for every field of a protobuf message, with the bytes of a length-delimited one or
// the value of a varint.
func fields(b []byte, f func(num int, data []byte, v uint64) error) error {
	for len(b) > 0 {
		key, n := binary.Uvarint(b)
		if n <= 0 || key>>3 == 0 || key>>3 > 1<<29 {
			return errGraph
		}
		b = b[n:]
		var data []byte
		var v uint64
		switch key & 7 {
		case 0:
			if v, n = binary.Uvarint(b); n <= 0 {
				return errGraph
			}
			b = b[n:]
		case 1:
			if len(b) < 8 {
				return errGraph
			}
			b = b[8:]
		case 2:
			l, n := binary.Uvarint(b)
			if n <= 0 || l > uint64(len(b)-n) {
				return errGraph
			}
			data, b = b[n:n+int(l)], b[n+int(l):]
		case 5:
			if len(b) < 4 {
				return errGraph
			}
			b = b[4:]
		default:
			return errGraph
		}
		if err := f(int(key>>3), data, v); err != nil {
			return err
		}
	}
	return nil
}
