package flow

import (
	"slices"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/code"
)

var exitCalls = []string{
	"abort", "exit", "process.exit", "sys.exit", "os.Exit", "log.Fatal", "log.Fatalf", "panic", "os.abort", "die", "halt", "quit", "wp_die", "System.exit", "os._exit",
}

// exits says whether what follows a piece of code is not reached through it.
func exits(n *code.Node) bool {
	switch n.Op {
	case code.Return, code.Throw, code.Break:
		return true
	case code.Call:
		return slices.Contains(exitCalls, n.Kids[0].Chain())
	case code.Block:
		return slices.ContainsFunc(n.Kids, exits)
	case code.If:
		return len(n.Kids) == 3 && exits(n.Kids[1]) && exits(n.Kids[2])
	case code.Bin: // Ruby's render … and return
		return (n.Text == "and" || n.Text == "&&") && exits(n.Kids[1])
	case code.Try:
		return exits(n.Kids[0]) && !slices.ContainsFunc(n.Kids[1:], func(k *code.Node) bool { return !exits(k) })
	default:
		return false
	}
}
