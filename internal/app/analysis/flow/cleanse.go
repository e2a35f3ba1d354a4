package flow

import (
	"regexp"
	"slices"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/code"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

// numbers give a number, a boolean or an identifier of fixed form.
var numbers = regexp.MustCompile(`^(parseInt|parseFloat|Number|Number\.parseInt|Number\.parseFloat|BigInt|Boolean|int|float|bool|len|abs|round|uuid\.UUID|UUID|Decimal|Integer|Float|intval|floatval|boolval|count|strlen|crc32|Integer\.parseInt|Integer\.valueOf|Long\.parseLong|Long\.valueOf|Double\.parseDouble|Short\.parseShort|Boolean\.parseBoolean|UUID\.fromString|strconv\.(Atoi|ParseInt|ParseUint|ParseFloat|ParseBool|Itoa|FormatInt)|uuid\.(Parse|MustParse|v4|validate)|Math\.\w+|Date|Date\.parse|ObjectId|bson\.ObjectIDFromHex|primitive\.ObjectIDFromHex|mongoose\.Types\.ObjectId|BSON::ObjectId|ord|hash|md5|sha1|len|time\.Parse|LocalDate\.parse|Instant\.parse)$`)

// numberMethods do the same as methods.
var numberMethods = []string{
	"to_i", "to_f", "length", "size", "count", "indexOf", "lastIndexOf", "hashCode", "getTime", "isdigit", "startsWith", "endsWith", "includes", "test", "toFixed", "nil?", "present?", "blank?", "empty?", "any?",
	"hexdigest", "digest", "hexEncode", "charCodeAt", "intValue", "longValue", "toInt", "integer", "getInt",
}

// cleaners make a value safe for one use. They match the whole chain of what is
// called, or its last name behind a dot.
var cleaners = map[Use]*regexp.Regexp{
	SQL:     regexp.MustCompile(`(^|\.)(mysql\.escape|escapeId|escapeLiteral|escapeIdentifier|escape_string|mysqli_real_escape_string|mysql_real_escape_string|real_escape_string|pg_escape_literal|pg_escape_identifier|pg_escape_string|quote|quote_ident|quote_column_name|quote_table_name|quoteIdentifier|quoteName|QuoteIdentifier|QuoteLiteral|sanitize_sql|sanitize_sql_array|sanitize_sql_for_conditions|sanitize_sql_for_order|sanitize_sql_like|sql\.Identifier|sql\.Literal|sql\.Placeholder|SqlString\.escape|sqlstring\.escape|(connection|conn|db|pool|client)\.escape|enquoteIdentifier|enquoteLiteral|esc_sql|absint|encodeForSQL)$`),
	NoSQL:   regexp.MustCompile(`(^|\.)(String|str|strval|toString|to_s|mongoSanitize|mongo_sanitize|sanitizeFilter|escape_regex|escapeRegExp|re\.escape|Regexp\.escape|JSON\.stringify|toHexString)$`),
	XSS:     regexp.MustCompile(`(^|\.)(escapeHtml|escapeHTML|escape_html|html_escape|htmlEscape|encodeURIComponent|escape|DOMPurify\.sanitize|purify\.sanitize|sanitizeHtml|sanitize_html|sanitizeHTML|xss|filterXSS|he\.encode|he\.escape|_\.escape|lodash\.escape|validator\.escape|html\.escape|markupsafe\.escape|Markup\.escape|bleach\.clean|nh3\.clean|cgi\.escape|conditional_escape|format_html|urllib\.parse\.quote|quote_plus|urlencode|htmlspecialchars|htmlentities|esc_html|esc_attr|esc_url|esc_js|wp_kses|wp_kses_post|e|rawurlencode|CGI\.escapeHTML|CGI\.escape_html|ERB::Util\.html_escape|Util\.html_escape|ERB::Util\.h|h|sanitize|strip_tags|forHtml|forHtmlContent|forHtmlAttribute|forJavaScript|escapeHtml4|escapeHtml3|htmlEscape|encodeForHTML|Jsoup\.clean|policy\.sanitize|HTMLEscapeString|EscapeString|JSEscapeString|QueryEscape|PathEscape|Sanitize|SanitizeBytes|escapeXml|createTextNode|jsonify)$`),
	Code:    regexp.MustCompile(`(^|\.)(JSON\.stringify|json\.dumps|json_encode|repr|var_export|ast\.literal_eval|literal_eval|inspect)$`),
	Command: regexp.MustCompile(`(^|\.)(shlex\.quote|quote|pipes\.quote|shellescape|Shellwords\.escape|Shellwords\.shellescape|Shellwords\.join|shlex\.join|escapeshellarg|shellQuote|shell_quote|shellEscape|shellescape\.Quote|escapeshellcmd|quoteshell|shellQuote\.quote)$`),
	Path:    regexp.MustCompile(`(^|\.)(basename|secure_filename|sanitizeFilename|sanitize_filename|filepath\.Base|path\.Base|File\.basename|FilenameUtils\.getName|getFileName|werkzeug\.utils\.secure_filename|safe_join|securejoin\.SecureJoin|SecureJoin|filepath\.Localize|sanitize_file_name|encodeURIComponent|send_from_directory|parameterize|slugify)$`),
	SSRF:    regexp.MustCompile(`(^|\.)(encodeURIComponent|urllib\.parse\.quote|quote|quote_plus|urlencode|rawurlencode|PathEscape|QueryEscape|URLEncoder\.encode|CGI\.escape|encode_www_form_component|url_encode|ERB::Util\.url_encode)$`),
	LDAP:    regexp.MustCompile(`(^|\.)(escape_filter_chars|escape_rdn|ldap_escape|EscapeFilter|encodeForLDAP|encodeForDN|filterEncode|nameEncode|encodeFilterValue|ldapEscape|escapeFilter|escapeLdap|escapeFilterValue|Filter\.escape|Filter\.eq|Filter\.equals|ldap\.escape|ldapescape\.filter|escape_dn_chars|escapeDN)$`),
	XPath:   regexp.MustCompile(`(^|\.)(encodeForXPath|escapeXPath|escape_xpath|xpathEscape|quoteXPath|xpath_escape)$`),
}

// cleanse evaluates a call that makes a value harmless; false when it is none.
func (f *Flow) cleanse(n *code.Node, fr *frame) (Value, bool) {
	callee := n.Callee()
	chain := strings.TrimSuffix(strings.ReplaceAll(callee.Chain(), "new ", ""), "()")
	if chain == "" && callee.Op == code.Member {
		chain = "." + callee.Text
	}
	method := n.Method()
	if f.elixir() {
		if v, ok := f.cleanseElixir(n, fr); ok {
			return v, true
		}
	}
	switch {
	case n.Op == code.Call && numbers.MatchString(chain) && !f.overridden(chain) || n.Op == code.New && (chain == "Date" || chain == "ObjectId" || chain == "BigDecimal"):
		return safe("a number or an identifier of fixed form since " + chain), true
	case n.Receiver() != nil && slices.Contains(numberMethods, method) && f.File.Funcs[method] == nil:
		return safe("a number or a test since ." + method), true
	case method == "filter_var" && n.Arg(1) != nil && harmlessFilter(n.Arg(1).Chain()):
		return safe("only numbers pass " + n.Arg(1).Chain()), true
	}
	if v, ok := f.stripped(n); ok {
		return v, ok
	}
	if f.use == Path && (method == "normalize" || method == "Clean") && n.Arg(0) != nil {
		// Below a leading slash, normalising leaves no way up.
		if parts := f.Parts(n.Arg(0)); len(parts) > 1 && parts[0].Node == nil && strings.HasPrefix(parts[0].Text, "/") {
			return safe("normalised below / by " + strings.TrimPrefix(chain, ".")), true
		}
	}
	if method == "get" || method == "fetch" || method == "dig" || method == "getOrDefault" {
		// A constant table answers with what is in it.
		if r := n.Receiver(); r != nil && f.constantCollection(r) {
			v := f.values(orSelf(f.Resolve(r)), fr)
			for _, d := range n.Args()[min(1, len(n.Args())):] {
				v = join(v, f.eval(d, fr))
			}
			if v.Kind == Constant {
				v.Why = "picked from a constant table"
			}
			return v, true
		}
	}
	pattern := cleaners[f.use]
	if f.use == Redirect {
		pattern = cleaners[SSRF]
	}
	if pattern == nil || !pattern.MatchString(chain) || f.File.Funcs[method] != nil && len(f.File.Calls[method]) > 0 && f.helper(n) != nil {
		return Value{}, false
	}
	if method == "sanitize" && f.use == XSS && f.File.Language == syntax.Go {
		return Value{}, false
	}
	return safe(phrase[f.use] + " by " + strings.TrimPrefix(chain, ".")), true
}

// phrase is how a use's sanitisers are spoken of.
var phrase = map[Use]string{
	SQL: "escaped for SQL", NoSQL: "made a string", XSS: "escaped for HTML", Code: "made a literal", Command: "quoted for the shell",
	Path: "reduced to a file name", SSRF: "encoded as a part of the URL", Redirect: "encoded as a part of the URL", LDAP: "escaped for LDAP", XPath: "escaped for XPath",
}

func orSelf(n *code.Node) *code.Node {
	if n == nil {
		return &code.Node{}
	}
	return n
}

// overridden says whether this file has a function of the name itself.
func (f *Flow) overridden(name string) bool { return len(f.File.Funcs[name]) > 0 }

// stripped knows replacements that leave nothing harmful.
func (f *Flow) stripped(n *code.Node) (Value, bool) {
	method := n.Method()
	var pattern, with *code.Node
	switch {
	case slices.Contains([]string{"replace", "replaceAll", "gsub", "tr", "delete", "ReplaceAllString"}, method) && n.Receiver() != nil && n.Receiver().Chain() != "re":
		pattern, with = f.Resolve(n.Arg(0)), n.Arg(1)
		if method == "ReplaceAllString" {
			pattern = f.compiled(n.Receiver())
		}
	case method == "sub" && n.Receiver() != nil && n.Receiver().Chain() == "re":
		pattern, with = f.Resolve(n.Arg(0)), n.Arg(1)
	case method == "preg_replace":
		pattern, with = f.Resolve(n.Arg(0)), n.Arg(1)
	}
	if pattern == nil || with == nil || with.Op != code.Str {
		return Value{}, false
	}
	text := pattern.Text
	if pattern.Op != code.Regex && pattern.Op != code.Str {
		return Value{}, false
	}
	all := f.File.Language != syntax.JavaScript && f.File.Language != syntax.TypeScript || strings.Contains(pattern.Type, "g") || method == "replaceAll"
	if method == "preg_replace" {
		text = strings.TrimRight(text, "imsux")
		text = strings.Trim(text, "/#~")
	}
	isRegex := pattern.Op == code.Regex || method == "sub" || method == "preg_replace" || method == "ReplaceAllString" || method == "replaceAll" && f.File.Language == syntax.Java
	if isRegex && all && keepsHarmless(text, f.use) && harmlessText(with.Text) {
		return safe("everything but [" + strings.TrimSuffix(strings.TrimPrefix(text, "[^"), "]") + " is taken out"), true
	}
	if f.use == XSS && all && (text == "<" || text == "[<>]") && with.Text != "<" {
		return safe("< is replaced everywhere"), true
	}
	return Value{}, false
}

// compiled is the pattern that a name was compiled from.
func (f *Flow) compiled(n *code.Node) *code.Node {
	n = f.Resolve(n)
	if n == nil {
		return nil
	}
	if n.Op == code.Call || n.Op == code.New {
		switch n.Method() {
		case "compile", "MustCompile", "Compile", "RegExp", "new":
			return f.Resolve(n.Arg(0))
		}
	}
	return n
}

func harmlessText(text string) bool { return !strings.ContainsAny(text, `'"<>;&|/\`+"`$") }

// keepsHarmless says whether taking out what a pattern matches leaves letters,
// digits and a few marks alone: a negated class.
func keepsHarmless(pattern string, use Use) bool {
	class, ok := strings.CutPrefix(pattern, "[^")
	if pattern == `\W` || pattern == `\D` || pattern == `\W+` || pattern == `\D+` {
		return true
	}
	if !ok {
		return false
	}
	end := strings.IndexByte(class, ']')
	if end < 0 || strings.Trim(class[end+1:], "+*") != "" {
		return false
	}
	return harmlessClass(class[:end], use)
}

// harmlessClass says whether the characters of a class can do no harm.
func harmlessClass(class string, use Use) bool {
	class = strings.NewReplacer(`\w`, "", `\d`, "", "a-z", "", "A-Z", "", "0-9", "", "a-f", "", "A-F", "", `\-`, "", `\.`, ".", `[:alnum:]`, "").Replace(class)
	for _, c := range class {
		switch {
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-' || c == ',' || c == '@' || c == '+' || c == ':':
		case c == '.':
		case c == ' ' && use != Command && use != Code:
		case c == '/' && use != Path && use != SSRF && use != Redirect && use != Command && !strings.ContainsRune(class, '.'):
		default:
			return false
		}
	}
	return true
}
