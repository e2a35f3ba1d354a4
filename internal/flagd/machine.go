package flagd

// MaxSteps bounds one evaluation. A step is one operation, or looking at one
// element of a list or at a few bytes of a text.
const MaxSteps = 20_000

// maxText bounds the texts that rules make, in bytes.
const maxText = 64 << 10

// machine is one evaluation under way.
type machine struct {
	key     string
	context *Context
	// left is the number of steps left; below zero the evaluation has failed
	// and every operation returns at once.
	left int
}

// node is a compiled rule. It may return nil, bool, string, float64, []any and
// map[string]any.
type node func(m *machine, data any) any

// spend takes steps and tells whether the evaluation may go on.
func (m *machine) spend(steps int) bool {
	m.left -= steps
	return m.left >= 0
}

// metered makes an operation cost a step.
func metered(operation node) node {
	return func(m *machine, data any) any {
		if m.left--; m.left < 0 {
			return nil
		}
		return operation(m, data)
	}
}

func literal(value any) node { return func(*machine, any) any { return value } }
