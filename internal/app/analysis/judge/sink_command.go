package judge

import (
	"path"
	"slices"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/code"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

var (
	shellCalls = map[syntax.Language]map[string]bool{
		syntax.JavaScript: set(`exec execSync execAsync execPromise $`),
		syntax.Python:     set(`system popen getoutput getstatusoutput create_subprocess_shell`),
		syntax.PHP:        set(`exec shell_exec system passthru popen proc_open`),
		syntax.Ruby:       set(`system exec spawn popen capture2 capture2e capture3 popen3 popen2 popen2e pipeline`),
	}
	programCalls = map[syntax.Language]map[string]bool{
		syntax.JavaScript: set(`spawn spawnSync execFile execFileSync fork execa`),
		syntax.Python:     set(`run call check_output check_call Popen execv execve execvp spawnv spawnl spawnlp execl execlp create_subprocess_exec`),
		syntax.PHP:        set(`pcntl_exec`),
		syntax.Java:       set(`exec ProcessBuilder command`),
		syntax.Go:         set(`Command CommandContext StartProcess`),
	}
	shells = []string{"sh", "bash", "zsh", "dash", "ksh", "cmd", "cmd.exe", "powershell", "pwsh", "powershell.exe", "eval"}
)

const safeCommand = "Safe command"

func commandRule(q *query, n *code.Node) (answer, bool) {
	if n.Op == code.Shell {
		return q.judgeValue(n, safeCommand, "properly sanitized"), true
	}
	if n.Op != code.Call && n.Op != code.New {
		return answer{}, false
	}
	method, lang := n.Method(), q.lang()
	switch {
	case n.Tagged && method == "$":
		return safely("%s: the tag quotes what is put in", safeCommand), true
	case shellCalls[lang][method]:
		return q.shellCall(n)
	case programCalls[lang][method]:
		return q.programCall(n)
	}
	return answer{}, false
}

func (q *query) shellCall(n *code.Node) (answer, bool) {
	arg := n.Arg(0)
	method := n.Method()
	if arg == nil {
		return answer{}, false
	}
	if r := n.Receiver(); r != nil && method == "exec" {
		switch target := q.flow.Resolve(r); {
		case target != nil && (target.Op == code.Regex || target.Method() == "RegExp" || target.Method() == "compile"):
			return safely("%s: exec on line %d is a regular expression's", safeCommand, n.Line), true
		case q.lang() == syntax.PHP:
			return answer{}, false
		}
	}
	if q.lang() == syntax.Ruby {
		var words []*code.Node
		for _, a := range n.Args() {
			if a.Op != code.Pair && a.Op != code.Map && a.Op != code.Func {
				words = append(words, a)
			}
		}
		if len(words) > 0 && words[0].Op == code.Map {
			words = words[1:]
		}
		if len(words) == 1 && words[0].Op == code.List {
			words = words[0].Kids
			if len(words) == 1 {
				return safely("%s: line %d runs a program without a shell", safeCommand, n.Line), true
			}
		}
		if len(words) > 1 {
			return q.words(words), true
		}
	}
	if q.lang() == syntax.PHP && method == "proc_open" {
		if r := q.flow.Resolve(arg); r != nil && r.Op == code.List {
			return q.words(r.Kids), true
		}
	}
	return q.judgeValue(arg, safeCommand, "properly sanitized"), true
}

func (q *query) programCall(n *code.Node) (answer, bool) {
	method := n.Method()
	args := slices.DeleteFunc(slices.Clone(n.Args()), func(a *code.Node) bool { return a.Op == code.Func || a.Op == code.Pair })
	shell := false
	switch q.lang() {
	case syntax.Go:
		if method == "CommandContext" && len(args) > 0 {
			args = args[1:]
		}
	case syntax.JavaScript:
		for i, a := range args {
			if r := q.flow.Resolve(a); i > 0 && r != nil && r.Op == code.Map {
				if v := r.Named("shell"); v != nil && (v.Op != code.Const || v.Text != "false") {
					shell = true
				}
				args = args[:i]
				break
			}
		}
	case syntax.Python:
		if v := n.Named("shell"); v != nil && (v.Op != code.Const || v.Text != "false") {
			shell = true
		}
		if r := n.Receiver(); (method == "run" || method == "call") && (r == nil && q.file.code.Imports[method] == "" || r != nil && !strings.HasPrefix(q.original(r.Chain()), "subprocess")) {
			return answer{}, false
		}
		if len(args) > 1 && strings.HasPrefix(method, "spawn") {
			args = args[1:]
		}
		if len(args) > 1 && !strings.HasPrefix(method, "exec") && !strings.HasPrefix(method, "spawn") && method != "create_subprocess_exec" {
			args = args[:1]
		}
	}
	if len(args) == 0 {
		return answer{}, false
	}
	if shell {
		return q.worstOf(args, safeCommand, "properly sanitized"), true
	}
	// One list, or a name and a list.
	var words []*code.Node
	for _, a := range args {
		r := q.flow.Resolve(a)
		switch {
		case r != nil && r.Op == code.List:
			words = append(words, r.Kids...)
		case a.Op == code.Call && (a.Method() == "of" || a.Method() == "asList"):
			words = append(words, a.Args()...)
		case a.Op == code.Spread && len(a.Kids) > 0:
			if r := q.flow.Resolve(a.Kids[0]); r != nil && r.Op == code.List {
				words = append(words, r.Kids...)
				continue
			}
			words = append(words, a)
		default:
			words = append(words, a)
		}
	}
	if len(words) == 0 {
		return unknown(), true
	}
	if q.lang() == syntax.Java && method == "exec" && len(words) == 1 {
		return q.judgeValue(words[0], safeCommand, "properly sanitized"), true
	}
	return q.words(words), true
}

// words judges a program with its arguments, which no shell reads unless the
// program is one.
func (q *query) words(words []*code.Node) answer {
	program := q.judgeValue(words[0], safeCommand, "properly sanitized")
	if !program.safe {
		return program
	}
	name, ok := q.flow.Literal(words[0])
	if ok && slices.Contains(shells, strings.ToLower(path.Base(strings.ReplaceAll(name, `\`, "/")))) {
		for i, w := range words[1:] {
			flag, ok := q.flow.Literal(w)
			if ok && (strings.HasPrefix(flag, "-") && strings.HasSuffix(flag, "c") || strings.EqualFold(flag, "/c") || strings.EqualFold(flag, "-Command")) && i+2 < len(words) {
				return q.judgeValue(words[i+2], safeCommand, "properly sanitized")
			}
		}
	}
	return safely("%s: line %d runs %s without a shell, its arguments one by one", safeCommand, words[0].Line, orThe(name))
}

func orThe(name string) string {
	if name == "" {
		return "the program"
	}
	return name
}
