package judge

import (
	"regexp"
	"slices"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/code"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

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
