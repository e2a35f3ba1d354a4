package judge

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/code"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/flow"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

var (
	evalCalls = map[syntax.Language]map[string]bool{
		syntax.JavaScript: set(`eval Function setTimeout setInterval runInNewContext runInThisContext runInContext Script execScript compileFunction runScript`),
		syntax.Python:     set(`eval exec compile __import__ execfile import_module`),
		syntax.Ruby:       set(`eval instance_eval class_eval module_eval send public_send __send__ constantize instance_exec const_get`),
		syntax.PHP:        set(`eval assert create_function call_user_func call_user_func_array preg_replace usort array_map`),
		syntax.Java:       set(`eval evaluate parseExpression getValue executeExpression compileExpression parse`),
		syntax.Go:         set(`Run RunString Eval RunScript Compile`),
	}
	safeEvals = set(`literal_eval JSON.parse`)
)

func codeRule(q *query, n *code.Node) (answer, bool) {
	if n.Op != code.Call && n.Op != code.New {
		return answer{}, false
	}
	method := n.Method()
	if safeEvals[method] || n.Kids[0].Chain() == "JSON.parse" || n.Kids[0].Chain() == "json.loads" {
		return safely("literal or constant: %s on line %d reads values and runs nothing", n.Kids[0].Chain(), n.Line), true
	}
	if !evalCalls[q.lang()][method] {
		return answer{}, false
	}
	arg := n.Arg(0)
	args := []*code.Node{arg}
	switch {
	case method == "constantize":
		args = []*code.Node{n.Receiver()}
	case method == "Function" || method == "create_function":
		args = n.Args()
	case method == "preg_replace":
		pattern, ok := q.flow.Literal(arg)
		if !ok || len(pattern) < 2 || !strings.Contains(pattern[strings.LastIndexByte(pattern, pattern[0]):], "e") {
			return safely("literal or constant: the pattern on line %d has no modifier that runs code", n.Line), ok
		}
		args = []*code.Node{n.Arg(1)}
	case method == "usort" || method == "array_map":
		return answer{}, false
	case method == "compile" && n.Receiver() != nil, method == "parse" || method == "getValue" || method == "evaluate" && n.Receiver() == nil, method == "exec" && n.Receiver() != nil,
		method == "assert" && n.Receiver() != nil:
		return answer{}, false
	}
	if len(args) == 0 || args[0] == nil {
		if method == "instance_eval" || method == "class_eval" || method == "module_eval" {
			return safely("literal or constant: %s on line %d runs its block", method, n.Line), true
		}
		return answer{}, false
	}
	if r := q.flow.Resolve(args[0]); r != nil && r.Op == code.Func || (method == "setTimeout" || method == "setInterval") && args[0].Op == code.Name && len(q.file.code.Funcs[args[0].Text]) > 0 {
		return safely("literal or constant: %s on line %d gets a function", method, n.Line), true
	}
	if (method == "setTimeout" || method == "setInterval") && args[0].Op == code.Call && args[0].Method() == "bind" {
		return safely("literal or constant: %s on line %d gets a function", method, n.Line), true
	}
	return q.worstOf(args, "literal or constant", "properly sanitized"), true
}

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

// original undoes an import's alias.
func (q *query) original(chain string) string {
	first, rest, more := strings.Cut(chain, ".")
	if what := q.file.code.Imports[first]; what != "" {
		first = what
	}
	if more {
		return first + "." + rest
	}
	return first
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

var (
	pathCalls = set(`readFile readFileSync createReadStream writeFile writeFileSync appendFile appendFileSync createWriteStream unlink unlinkSync sendFile sendfile download readdir readdirSync rm rmSync stat statSync access accessSync
		open read readlines readlink send_file binread foreach delete rm_rf rmtree remove new write file_get_contents fopen readfile include file_put_contents file unlink rmdir copy rename move_uploaded_file parse_ini_file simplexml_load_file
		File FileInputStream FileReader FileOutputStream FileWriter RandomAccessFile get of readAllBytes readString newInputStream newBufferedReader lines newOutputStream
		Open ReadFile Create OpenFile Remove RemoveAll WriteFile ServeFile File Stat ReadDir join Join resolve path_join send_from_directory FileResponse ClassPathResource getResourceAsStream getResource Path Pathname render require mkdir mkdirSync exists existsSync send_file_response extractall read_text copyfile copyFile`)
	pathObjects   = regexp.MustCompile(`(^|\.)(fs|fsp|promises|path|os|io|shutil|pathlib|File|IO|Dir|FileUtils|Pathname|Files|Paths|Path|filepath|ioutil|http|res|response|reply|send|fse|afs|aiofiles|codecs|zipfile|c|ctx|root|Rails|open|storage|Storage|archive)$`)
	needsObject   = set(`new read write delete get of join resolve Join Open Create File open exists lines remove copy stat access render readlines Remove Stat foreach rename require rm move`)
	alwaysServing = set(`send_from_directory safe_join`)
)

func pathRule(q *query, n *code.Node) (answer, bool) {
	if n.Op == code.Bin && n.Text == "/" && q.lang() == syntax.Python {
		return q.judgeValue(n, "literal or constant path", "properly sanitized"), true
	}
	if n.Op != code.Call && n.Op != code.New || !pathCalls[n.Method()] {
		return answer{}, false
	}
	method := n.Method()
	if alwaysServing[method] {
		return safely("properly sanitized: %s on line %d refuses paths that leave its folder", method, n.Line), true
	}
	receiver := n.Receiver()
	if receiver != nil && needsObject[method] && !pathObjects.MatchString(receiver.Chain()) && (receiver.Op != code.Call || !pathObjects.MatchString(receiver.Method())) {
		return answer{}, false
	}
	if receiver == nil && (method == "get" || method == "new" || method == "of" || method == "read" || method == "delete" || method == "write" || method == "stat") || method == "Open" && strings.HasPrefix(n.Kids[0].Chain(), "sql.") {
		return answer{}, false
	}
	if receiver == nil && method == "render" || receiver != nil && method == "require" {
		return answer{}, false
	}
	args := slices.DeleteFunc(slices.Clone(n.Args()), func(a *code.Node) bool { return a.Op == code.Func })
	switch method {
	case "ServeFile":
		args = args[min(2, len(args)):]
	case "join", "Join", "resolve", "path_join", "get", "of", "rename", "copy", "copyFile", "copyfile", "move_uploaded_file":
		if method == "join" && receiver != nil && receiver.Op == code.Str {
			return answer{}, false
		}
	case "sendFile", "sendfile", "download":
		for _, a := range args[min(1, len(args)):] {
			if r := q.flow.Resolve(a); r != nil && r.Op == code.Map && r.Named("root") != nil && q.lang() == syntax.JavaScript {
				return safely("properly sanitized: sendFile on line %d refuses paths that leave its root", n.Line), true
			}
		}
		args = args[:min(1, len(args))]
	case "File", "FileInputStream", "FileReader", "FileOutputStream":
		if q.lang() == syntax.Go && method == "File" {
			args = args[:min(1, len(args))]
		}
	default:
		args = args[:min(1, len(args))]
	}
	if len(args) == 0 {
		if receiver != nil && (method == "read_text" || method == "extractall") {
			args = []*code.Node{receiver}
		} else {
			return answer{}, false
		}
	}
	return q.worstOf(args, "literal or constant path", "properly sanitized"), true
}

var (
	fetchCalls = set(`fetch axios get post put delete head patch request got needle urlopen urlretrieve Request open URI parse start curl_init curl_setopt file_get_contents fsockopen
		getForObject getForEntity postForObject postForEntity exchange uri url openStream openConnection HttpGet HttpPost newBuilder Get Post Head PostForm NewRequest NewRequestWithContext getJSON ajax get_response post_form stream goto create URL getContent getInputStream retrieve`)
	fetchObjects = regexp.MustCompile(`(?i)(^|\.)(https?|axios|got|needle|superagent|request|requests|httpx|session|client|httpclient|urllib|urllib2|request\(\)|aiohttp|net::http|http|httparty|faraday|restclient|uri|open-uri|openuri|typhoeus|excon|guzzle|resttemplate|webclient|rest|api|page|\$|window|undici|curl|mechanize|agent|httpRequest|ky)(\(\))?$`)
)

const constantURL = "constant URL"

func ssrfRule(q *query, n *code.Node) (answer, bool) {
	if n.Op != code.Call && n.Op != code.New || !fetchCalls[n.Method()] {
		return answer{}, false
	}
	method, lang := n.Method(), q.lang()
	receiver := n.Receiver()
	i := 0
	switch method {
	case "get", "post", "put", "delete", "head", "patch", "request", "start", "open", "parse", "Get", "Post", "Head", "exchange", "url", "uri", "create", "stream", "getJSON", "goto", "Request", "get_response", "post_form", "getContent", "retrieve":
		if receiver == nil && method != "request" && method != "open" && method != "Request" && method != "get" || receiver != nil && !fetchObjects.MatchString(strings.TrimSuffix(receiver.Chain(), "()")) && !fetchObjects.MatchString(receiver.Chain()) && (receiver.Op != code.Call || receiver.Method() != "newBuilder") {
			return answer{}, false
		}
		if receiver == nil && method == "get" && q.file.code.Imports["get"] == "" {
			return answer{}, false
		}
		if receiver != nil && (method == "open" && lang != syntax.Ruby || method == "parse" && lang == syntax.JavaScript) {
			return answer{}, false
		}
	case "URI", "URL":
		if n.Op == code.Call && lang != syntax.Ruby {
			return answer{}, false
		}
	case "openStream", "openConnection", "getInputStream":
		if receiver == nil {
			return answer{}, false
		}
		return q.url(receiver, n), true
	case "curl_setopt":
		if text, _ := q.flow.Literal(n.Arg(1)); text != "CURLOPT_URL" && (n.Arg(1) == nil || n.Arg(1).Chain() != "CURLOPT_URL") {
			return answer{}, false
		}
		i = 2
	case "NewRequest":
		i = 1
	case "NewRequestWithContext":
		i = 2
	}
	if method == "request" && (lang == syntax.PHP || lang == syntax.Python) && len(n.Args()) > 1 {
		i = 1
	}
	arg := n.Arg(i)
	if arg == nil {
		for _, key := range []string{"url", "uri", "URL"} {
			if v := n.Named(key); v != nil {
				return q.url(v, n), true
			}
		}
		return answer{}, false
	}
	if r := q.flow.Resolve(arg); r != nil && r.Op == code.Map {
		out, any := answer{}, false
		for _, key := range []string{"url", "uri", "baseURL", "hostname", "host"} {
			if v := r.Named(key); v != nil {
				if a := q.url(v, n); !any || worse(a, out) {
					out, any = a, true
				}
			}
		}
		if any {
			return out, true
		}
	}
	return q.url(arg, n), true
}

func (q *query) url(n, sink *code.Node) answer {
	a := q.judgeValue(n, constantURL, "properly sanitized")
	if a.safe {
		if a.value.Kind == flow.Safe && strings.Contains(a.value.Why, "encoded as a part") && !q.flow.FixedOrigin(n) {
			v := q.flow.Value(n, flow.Plain)
			v.Cleaned = true
			return answer{value: v}
		}
		return a
	}
	if q.flow.FixedOrigin(n) {
		return safely("%s: scheme and host are written out on line %d, and a request decides what follows alone", constantURL, sink.Line)
	}
	return a
}

var redirectCalls = set(`redirect redirect_to HttpResponseRedirect RedirectResponse sendRedirect Redirect header HttpResponsePermanentRedirect RedirectView redirect_back assign replace location setHeader wp_redirect wp_safe_redirect redirect_back_or_to away Header Set found permanentRedirect writeHead set_header addHeader open HTTPFound`)

func redirectRule(q *query, n *code.Node) (answer, bool) {
	if n.Op == code.Assign {
		chain := n.Kids[0].Chain()
		if strings.HasSuffix(chain, "location") || strings.HasSuffix(chain, "location.href") || q.headerKey(n.Kids[0]) == "location" {
			return q.target(n.Kids[1]), true
		}
		return answer{}, false
	}
	if n.Op == code.Return && q.lang() == syntax.Java && len(n.Kids) == 1 {
		if parts := q.flow.Parts(n.Kids[0]); len(parts) > 0 && strings.HasPrefix(parts[0].Text, "redirect:") {
			if rest := strings.TrimPrefix(parts[0].Text, "redirect:"); len(rest) > 1 && rest[0] == '/' && rest[1] != '/' {
				return safely("%s: the redirect on line %d stays on this site", constantURL, n.Line), true
			}
			return q.judgeValue(n.Kids[0], constantURL, "properly sanitized"), true
		}
	}
	if n.Op != code.Call && n.Op != code.New || !redirectCalls[n.Method()] {
		return answer{}, false
	}
	method := n.Method()
	arg := n.Arg(0)
	switch method {
	case "header", "setHeader", "Set", "Header", "set_header", "addHeader":
		if len(n.Args()) >= 2 && n.Arg(1) != nil && method != "header" || q.lang() != syntax.PHP && len(n.Args()) >= 2 {
			if name, _ := q.flow.Literal(arg); !strings.EqualFold(name, "location") {
				return answer{}, false
			}
			arg = n.Arg(1)
		} else if parts := q.flow.Parts(arg); len(parts) > 0 && parts[0].Node == nil && strings.Contains(parts[0].Text, ":") && !strings.HasPrefix(strings.ToLower(parts[0].Text), "location:") {
			return safely("%s: the header on line %d redirects nowhere", constantURL, n.Line), true
		} else if len(parts) == 0 || !strings.HasPrefix(strings.ToLower(parts[0].Text), "location:") {
			return answer{}, false
		}
	case "assign", "replace", "open":
		if r := n.Receiver(); r == nil || !strings.HasSuffix(r.Chain(), "location") && (method != "open" || r.Chain() != "window") {
			return answer{}, false
		}
	case "wp_safe_redirect", "redirect_back", "redirect_back_or_to":
		if method == "wp_safe_redirect" || len(n.Args()) > 0 && n.Named("allow_other_host") == nil {
			return safely("%s: %s on line %d stays on this site", constantURL, method, n.Line), true
		}
	case "Redirect":
		if q.lang() == syntax.Go {
			if arg = n.Arg(2); len(n.Args()) < 4 {
				arg = n.Arg(1)
			}
		}
	case "redirect", "permanentRedirect":
		if arg != nil && arg.Op == code.Num || q.lang() == syntax.JavaScript && len(n.Args()) == 2 && n.Arg(1) != nil && n.Arg(1).Op != code.Num && n.Arg(1).Op != code.Map {
			arg = n.Arg(1)
		}
	}
	if v := n.Named("allow_other_host"); v != nil && v.Text == "false" {
		return safely("%s: line %d allows no other host", constantURL, n.Line), true
	}
	if v := n.Named("only_path"); v != nil && v.Text == "true" {
		return safely("%s: line %d keeps the path alone", constantURL, n.Line), true
	}
	if arg == nil {
		if len(n.Args()) > 0 {
			return safely("%s: line %d names a route", constantURL, n.Line), true
		}
		return answer{}, false
	}
	return q.target(arg), true
}

func (q *query) headerKey(n *code.Node) string {
	if n.Op == code.Index && n.Kids[1].Op == code.Str {
		return strings.ToLower(n.Kids[1].Text)
	}
	return ""
}

var routeHelper = regexp.MustCompile(`^(url_for|reverse|route|reverse_lazy|path_for|action|to_route|url)$|_(path|url)$`)

func (q *query) target(n *code.Node) answer {
	r := q.flow.Resolve(n)
	if r != nil && (r.Op == code.Call && routeHelper.MatchString(r.Method()) && (r.Method() != "url" || r.Receiver() == nil)) {
		return safely("%s: %s builds the address of a route", constantURL, r.Method())
	}
	if r != nil && r.Op == code.Name && q.lang() == syntax.Ruby && routeHelper.MatchString(r.Text) {
		return safely("%s: %s is the address of a route", constantURL, r.Text)
	}
	if r != nil && r.Op == code.Map && q.lang() != syntax.JavaScript {
		return safely("%s: line %d names a route", constantURL, n.Line)
	}
	a := q.judgeValue(n, constantURL, "properly sanitized")
	if a.safe {
		if a.value.Kind == flow.Safe && strings.Contains(a.value.Why, "encoded as a part") && !q.flow.LocalTarget(n) && !q.flow.FixedOrigin(n) {
			v := q.flow.Value(n, flow.Plain)
			v.Cleaned = true
			return answer{value: v}
		}
		return a
	}
	if q.flow.LocalTarget(n) {
		return safely("%s: the target on line %d begins with a fixed address", constantURL, n.Line)
	}
	return a
}
