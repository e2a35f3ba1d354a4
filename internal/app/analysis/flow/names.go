package flow

import (
	"regexp"
	"slices"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/code"
)

var (
	suspicious = map[string]bool{
		"userinput": true, "usercode": true, "userquery": true, "userdata": true, "userexpression": true, "input": true, "inputdata": true,
		"untrusted": true, "untrusteddata": true, "externalinput": true, "externaldata": true,
		"user": true, "data": true, "code": true, "query": true, "expression": true, "payload": true,
	}
	capsPattern     = regexp.MustCompile(`^[A-Z][A-Z0-9_]*$`)
	cleaningPattern = regexp.MustCompile(`(?i)sanitiz|sanitis|escape|validate|valid\b|clean|filter|purify|strip|encode|quote|safe`)
	envPattern      = regexp.MustCompile(`^(process\.env\.|process\.env\[\]|import\.meta\.env\.|Deno\.env\.|os\.environ\[\]|os\.environ\.get|ENV\[\]|_ENV\[\]|settings\.[A-Z]|__dirname$|__FILE__$|__DIR__$|__dir__$|__file__$|import\.meta\.url|Rails\.application\.credentials|Rails\.root|System\.(get_env|fetch_env!?|tmp_dir!?)|Application\.(get_env|fetch_env!?|compile_env!?|app_dir)|:code\.priv_dir|File\.cwd!?$|Rails\.configuration)`)
	numericTypes    = regexp.MustCompile(`^\(?\s*:?\s*(int|integer|long|short|byte|float|double|bool|boolean|number|Integer|Long|Short|Double|Float|Boolean|UUID|uuid\.UUID|u?int(8|16|32|64)?|float(32|64)|BigDecimal|BigInteger|Optional\[int\]|int \| None|\?int)\s*\)?$`)
)

func suspiciousName(name string) bool {
	return suspicious[strings.ToLower(strings.TrimLeft(name[strings.LastIndexByte(name, '.')+1:], "_@"))]
}

func allCaps(name string) bool { return capsPattern.MatchString(strings.Trim(name, "_")) }

func soundsCleaning(name string) bool { return cleaningPattern.MatchString(name) }

func environment(chain string) bool { return envPattern.MatchString(chain) }

func numericType(t string) bool { return t != "" && numericTypes.MatchString(strings.TrimSpace(t)) }

func isStringType(t string) bool {
	t = strings.Trim(t, ":() ")
	return t == "string" || t == "String" || t == "str"
}

func harmlessProperty(name string) bool {
	return name == "length" || name == "size" || name == "byteLength" || name == "count"
}

// stringMethod says whether a method gives a string whatever it is called on.
func stringMethod(name string) bool {
	return slices.Contains([]string{"toString", "String", "to_s", "to_string", "str", "strval", "trim", "toLowerCase", "toUpperCase", "Sprintf", "format", "join", "strip", "lower", "upper", "FormValue", "getParameter", "concat", "replace", "substring", "slice"}, name)
}

// pureMethod says whether the result depends on nothing but what is given.
func pureMethod(name string) bool { return pureMethods[name] }

var pureMethods = func() map[string]bool {
	m := map[string]bool{}
	for name := range strings.FieldsSeq(`toString String to_s str strval trim toLowerCase toUpperCase Sprintf format join strip lower upper concat replace replaceAll
		substring slice split map filter reduce flat concat push append sprintf implode explode trim ltrim rtrim strtolower strtoupper str_replace ucfirst
		Join Trim TrimSpace ToLower ToUpper Split Replace ReplaceAll HasPrefix of asList List Set Map Array from freeze dup downcase upcase capitalize
		compile RegExp MustCompile Compile getBytes encode decode bytes bytearray Buffer keys values entries keySet array_keys array_values tuple list set dict frozenset
		resolve normalize basename Base Clean abspath realpath dirname Dir Path Paths get URL URI Object sorted reversed min max first last
		to_string to_charlist elem titlecase capitalize expand trim_leading trim_trailing path_join joinpath expand_path Error Exception fmt`) {
		m[name] = true
	}
	return m
}()

var libraries = regexp.MustCompile(`^(path|os\.path|posixpath|ntpath|filepath|File|fmt|strings|String|Paths|Path|url|List|Set|Map|Arrays|Array|Object|Buffer|bytes|str|util|JSON|json|Base64|base64|urllib\.parse|querystring|qs|_|lodash|Objects|StringUtils|Collections|strconv|re|os|Pathname|URI|Net::HTTP)$`)

// library says whether a receiver is a module, which adds nothing to a value.
func (f *Flow) library(n *code.Node) bool {
	chain := n.Chain()
	if chain == "" {
		return false
	}
	if len(f.File.Assigns[chain]) == 0 && libraries.MatchString(chain) {
		return true
	}
	if f.module(n) || n.Op == code.Name && f.File.Imports[n.Text] != "" {
		return true
	}
	r := f.Resolve(n)
	return r != nil && r.Op == code.Call && r.Method() == "require"
}

// appends says whether a method adds its arguments to what it is called on.
func appends(name string) bool {
	return slices.Contains([]string{"push", "append", "add", "concat", "unshift", "insert", "put", "set", "WriteString", "Append", "extend", "update", "<<"}, name)
}

// decodes says whether a method may make objects of a string.
func decodes(name string) bool {
	return slices.Contains([]string{"parse", "loads", "load", "json_decode", "Unmarshal", "Decode", "readValue", "fromJson", "decode", "parse_str"}, name)
}
