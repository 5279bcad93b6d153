package camera

import (
	"errors"
	"math"
)

// spline is a thin plate through scattered heights.
type spline struct{ x, y, w []float64 }

// smoothing keeps near points from making waves, in the unit of the system's diagonal.
const smoothing = 30

func newSpline(x, y, z []float64) (*spline, error) {
	n := len(x)
	m := make([][]float64, n+3)
	for i := range m {
		m[i] = make([]float64, n+4)
	}
	for i := range n {
		for j := range n {
			m[i][j] = kernel(x[i]-x[j], y[i]-y[j])
		}
		m[i][i] += smoothing
		m[i][n], m[i][n+1], m[i][n+2], m[i][n+3] = 1, x[i], y[i], z[i]
		m[n][i], m[n+1][i], m[n+2][i] = 1, x[i], y[i]
	}
	for c := range m {
		best := c
		for r := c + 1; r < len(m); r++ {
			if math.Abs(m[r][c]) > math.Abs(m[best][c]) {
				best = r
			}
		}
		if math.Abs(m[best][c]) < 1e-9 {
			return nil, errors.New("camera: the points of a face do not span a surface")
		}
		m[c], m[best] = m[best], m[c]
		for r := c + 1; r < len(m); r++ {
			f := m[r][c] / m[c][c]
			for k := c; k < len(m[r]); k++ {
				m[r][k] -= f * m[c][k]
			}
		}
	}
	w := make([]float64, n+3)
	for r := n + 2; r >= 0; r-- {
		w[r] = m[r][n+3]
		for k := r + 1; k < n+3; k++ {
			w[r] -= m[r][k] * w[k]
		}
		w[r] /= m[r][r]
	}
	return &spline{x, y, w}, nil
}

func kernel(dx, dy float64) float64 {
	r2 := dx*dx + dy*dy
	if r2 < 1e-9 {
		return 0
	}
	return r2 * math.Log(r2) / 2
}

func (s *spline) at(x, y float64) float64 {
	n := len(s.x)
	z := s.w[n] + s.w[n+1]*x + s.w[n+2]*y
	for i := range n {
		z += s.w[i] * kernel(x-s.x[i], y-s.y[i])
	}
	return z
}
