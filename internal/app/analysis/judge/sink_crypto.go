package judge

import (
	"regexp"
	"slices"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/code"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/flow"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

var (
	weakDigest   = regexp.MustCompile(`(?i)^(md5|md4|md2|sha-?1|ripemd\d*|crc32|des|3des|rc4|rc2|desede|blowfish)([-_/].*)?$|^(des|rc4|aes-\d+-ecb|AES/ECB.*|AES)$`)
	strongDigest = regexp.MustCompile(`(?i)^(sha-?(2|3|224|256|384|512).*|sha3.*|blake2.*|blake3|bcrypt|scrypt|argon2.*|pbkdf2.*|aes-\d+-(gcm|cbc|ctr).*|AES/(GCM|CBC|CTR).*|chacha20.*|whirlpool)$`)
	weakCall     = regexp.MustCompile(`(^|\.)(md5|sha1|MD5|SHA1|md5_file|sha1_file|md5Hex|sha1Hex|DES|ARC4|md5\.New|md5\.Sum|sha1\.New|sha1\.Sum|Digest::MD5|Digest::SHA1|des\.NewCipher|rc4\.NewCipher)$`)
	strongCall   = regexp.MustCompile(`(^|\.)(sha256|sha384|sha512|sha3_256|sha3_512|blake2b|blake2s|bcrypt|hashpw|scrypt|argon2|pbkdf2_hmac|pbkdf2|pbkdf2Sync|scryptSync|password_hash|generate_password_hash|make_password|sha256Hex|sha512Hex|Sum256|Sum512|SHA256|SHA512|GenerateFromPassword|hmac|PasswordHasher|BCryptPasswordEncoder|encode|create)$`)
	checksumName = regexp.MustCompile(`(?i)(etag|checksum|cache_?key|fingerprint|cache|dedup|bucket|shard|revision|content_?hash|file_?hash|gravatar|avatar|digest_?path|asset|partition|color|colour)`)
	secretUse    = regexp.MustCompile(`(?i)(passw|secret|token|session|credential|otp|csrf|signature|\bkey\b|api_?key|auth|salt|nonce|reset|verif|invite|pin\b|passcode|\biv\b|uuid|\bcode$|_code$|[a-z]Code$)`)
	harmlessUse  = regexp.MustCompile(`(?i)(jitter|delay|backoff|sample|shuffle|color|colour|index|animation|position|offset|retry|wait|timeout|interval|demo|fake|seed|percent|bucket|rollout|weight|hue|particle|angle|dice|quote|greeting|pick|winner|order|noise|placeholder|banner|tip)`)
)

var slowHash = regexp.MustCompile(`(?i)bcrypt|argon2|scrypt`)

// hashRule judges digests and ciphers by the algorithm that is named.
func hashRule(q *query, n *code.Node) (answer, bool) {
	if n.Op != code.Call && n.Op != code.New {
		return answer{}, false
	}
	chain := q.original(n.Kids[0].Chain())
	method := n.Method()
	algorithm := ""
	named := false
	if slowHash.MatchString(chain) {
		return safely("strong algorithm: %s on line %d", chain, n.Line), true
	}
	switch method {
	case "createHash", "createHmac", "getInstance", "hash", "new", "createCipheriv", "createCipher", "createDecipheriv", "hash_init", "openssl_encrypt", "hash_hmac", "hash_file", "pbkdf2Sync", "pbkdf2", "pbkdf2_hmac", "digest":
		if method == "new" && !strings.Contains(chain, "hashlib") && !strings.Contains(chain, "OpenSSL") {
			break
		}
		i := 0
		switch method {
		case "openssl_encrypt":
			i = 1
		case "pbkdf2Sync", "pbkdf2":
			i = 4
		}
		arg := n.Arg(i)
		if arg == nil {
			break
		}
		if method == "getInstance" && !regexp.MustCompile(`MessageDigest|Cipher|Mac|SecretKeyFactory|KeyGenerator`).MatchString(chain) || method == "digest" && !strings.Contains(chain, "subtle") {
			break
		}
		named = true
		text, ok := q.flow.Literal(arg)
		if !ok {
			return q.anyAlgorithm(arg, n), true
		}
		algorithm = text
	}
	if n.Method() == "createHmac" || method == "hash_hmac" {
		if regexp.MustCompile(`(?i)^(sha-?1|sha-?(2|3|5).*|sha\d+)$`).MatchString(algorithm) && !strings.EqualFold(algorithm, "sha1") {
			return safely("strong algorithm: %s keyed on line %d", algorithm, n.Line), true
		}
	}
	weak := named && weakDigest.MatchString(algorithm)
	switch {
	case named && strongDigest.MatchString(algorithm):
		return safely("strong algorithm: %s on line %d", algorithm, n.Line), true
	case named && !weak:
		return unknown(), true
	case named:
	case strongDigestClass(chain) || strongCall.MatchString(chain):
		if method == "encode" || method == "create" || method == "hmac" && q.lang() == syntax.Python {
			if !strings.Contains(strings.ToLower(chain), "bcrypt") && !strings.Contains(strings.ToLower(chain), "password") {
				return answer{}, false
			}
		}
		return safely("strong algorithm: %s on line %d", chain, n.Line), true
	case weakDigestClass(chain) || weakCall.MatchString(chain):
		algorithm = chain
		if q.lang() != syntax.PHP && q.lang() != syntax.JavaScript && n.Receiver() == nil && q.file.code.Imports[method] == "" && q.lang() != syntax.Java {
			return answer{}, false
		}
	default:
		return answer{}, false
	}
	if v := n.Named("usedforsecurity"); v != nil && v.Text == "false" {
		return safely("strong algorithm is not needed: line %d says usedforsecurity=False", n.Line), true
	}
	if name := q.targetName(n); checksumName.MatchString(name) && !secretUse.MatchString(name) && !q.mentionsSecret(n) {
		return safely("strong algorithm is not needed: %s on line %d is a checksum", name, n.Line), true
	}
	return surely("%s on line %d is broken: use SHA-256, or bcrypt, scrypt or Argon2 for passwords", algorithm, n.Line), true
}

func strongDigestClass(chain string) bool {
	return regexp.MustCompile(`(^|\.|::)(Digest(::|\.)SHA(2|256|384|512)|BCrypt|SHA256|SHA512|RbNaCl)`).MatchString(chain)
}

func weakDigestClass(chain string) bool {
	return regexp.MustCompile(`Digest(::|\.)(MD5|SHA1)\b`).MatchString(chain)
}

// anyAlgorithm judges an algorithm that is decided elsewhere.
func (q *query) anyAlgorithm(arg, n *code.Node) answer {
	v := q.flow.Value(arg, flow.Plain)
	if v.Kind == flow.Tainted {
		return answer{value: v}
	}
	return answer{value: flow.Value{Kind: flow.Unknown}, why: "Which algorithm line " + itoa(n.Line) + " uses is not in this file"}
}

// targetName is the name that a value is given: a variable, a key, or the
// function that returns it.
func (q *query) targetName(n *code.Node) string {
	for p := n.Parent; p != nil; p = p.Parent {
		switch p.Op {
		case code.Assign:
			return lastName(p.Kids[0])
		case code.Pair:
			return p.Text
		case code.Func:
			return p.Text
		case code.Call:
			if m := p.Method(); (secretUse.MatchString(m) || checksumName.MatchString(m) || harmlessUse.MatchString(m) || m == "setTimeout" || m == "sleep") && p.Kids[0] != n {
				return m
			}
		case code.Return:
			if fn := p.Enclosing(); fn != nil {
				return fn.Text
			}
		}
	}
	return ""
}

func (q *query) mentionsSecret(n *code.Node) bool {
	top := n
	for p := n.Parent; p != nil && (p.Op == code.Member || p.Op == code.Call || p.Op == code.Index); p = p.Parent {
		top = p
	}
	found := false
	top.Walk(func(k *code.Node) bool {
		if (k.Op == code.Name || k.Op == code.Member || k.Op == code.Str) && secretUse.MatchString(k.Text) {
			found = true
		}
		return !found
	})
	return found
}

var strongRandom = regexp.MustCompile(`(^|\.)(randomBytes|randomUUID|getRandomValues|randomInt|secrets\.\w+|token_hex|token_urlsafe|token_bytes|SystemRandom|urandom|SecureRandom|random_bytes|random_int|openssl_random_pseudo_bytes|uuid4|uuidv4|hex|urlsafe_base64|alphanumeric|getInstanceStrong|nanoid|crypto/rand\.\w+|UUID\.randomUUID|randbelow|bin2hex|has_secure_token|generate_unique_secure_token)$`)

// randomRule judges random numbers by where they come from and what they are
// for.
func randomRule(q *query, n *code.Node) (answer, bool) {
	if n.Op != code.Call && n.Op != code.New {
		return answer{}, false
	}
	chain := q.original(n.Kids[0].Chain())
	method := n.Method()
	weak := false
	switch q.lang() {
	case syntax.JavaScript:
		weak = chain == "Math.random"
	case syntax.Python:
		weak = strings.HasPrefix(chain, "random.") && !strings.Contains(chain, "SystemRandom") || strings.HasPrefix(chain, "numpy.random") || strings.HasPrefix(chain, "np.random")
		if weak && method == "seed" {
			return answer{}, false
		}
	case syntax.Ruby:
		r := n.Receiver()
		weak = method == "rand" && (r == nil || r.Chain() == "Random" || r.Chain() == "Kernel") || method == "srand" || (method == "sample" || method == "shuffle") && n.Named("random") == nil || method == "rand" && q.madeBy(r, "Random")
		if v := n.Named("random"); v != nil && strings.Contains(v.Chain(), "SecureRandom") {
			return safely("secure random numbers: SecureRandom on line %d", n.Line), true
		}
	case syntax.PHP:
		weak = slices.Contains([]string{"rand", "mt_rand", "uniqid", "lcg_value", "array_rand", "str_shuffle", "shuffle"}, method)
	case syntax.Java:
		r := n.Receiver()
		switch {
		case chain == "Math.random" || strings.HasPrefix(chain, "ThreadLocalRandom") || strings.HasPrefix(chain, "RandomStringUtils.random"):
			weak = true
		case n.Op == code.New && method == "Random":
			weak = true
		case r != nil && strings.HasPrefix(method, "next"):
			if q.madeBy(r, "SecureRandom") {
				return safely("secure random numbers: SecureRandom fills %s on line %d", r.Chain(), n.Line), true
			}
			weak = q.madeBy(r, "Random")
			if !weak {
				return answer{}, false
			}
		}
	case syntax.Go:
		root := chain
		if strings.HasPrefix(root, "crypto/rand") {
			return safely("secure random numbers: crypto/rand on line %d", n.Line), true
		}
		weak = strings.HasPrefix(root, "math/rand")
	}
	if !weak {
		if strongRandom.MatchString(chain) || strings.HasPrefix(chain, "SecureRandom") || strings.HasPrefix(chain, "secrets.") || strings.Contains(chain, "SystemRandom") {
			return safely("secure random numbers: %s on line %d", chain, n.Line), true
		}
		return answer{}, false
	}
	name := q.targetName(n)
	fn := ""
	if f := n.Enclosing(); f != nil {
		fn = f.Text
	}
	switch {
	case secretUse.MatchString(name) || q.mentionsSecret(n) || !harmlessUse.MatchString(name) && secretUse.MatchString(fn):
		return surely("%s on line %d can be foretold, and %s has to be secret", chain, n.Line, orWord(name, fn)), true
	case harmlessUse.MatchString(name) || name == "" && harmlessUse.MatchString(fn) || name == "setTimeout" || name == "sleep" || harmlessUse.MatchString(fn):
		return safely("secure random numbers are not needed: %s on line %d is no secret", orWord(name, fn), n.Line), true
	}
	return answer{value: flow.Value{Kind: flow.Unknown}, why: chain + " on line " + itoa(n.Line) + " can be foretold; whether that matters is not in this file"}, true
}

// madeBy says whether a name holds an object of a class.
func (q *query) madeBy(n *code.Node, class string) bool {
	if n == nil {
		return false
	}
	r := q.flow.Resolve(n)
	return r != nil && (r.Op == code.New || r.Op == code.Call) && (r.Method() == class || strings.HasPrefix(r.Kids[0].Chain(), class+"."))
}

var harmlessCookie = regexp.MustCompile(`(?i)^(theme|lang|language|locale|timezone|tz|consent|cookie_?consent|banner|dark_?mode|color_?scheme|currency|region|layout)$`)

// cookieRule wants Secure and HttpOnly.
func cookieRule(q *query, n *code.Node) (answer, bool) {
	switch {
	case n.Op == code.Assign && n.Kids[0].Op == code.Index && strings.HasPrefix(n.Kids[0].Chain(), "cookies"):
		if r := q.flow.Resolve(n.Kids[1]); r != nil && r.Op == code.Map {
			return q.flags(r.Kids, "secure", "httponly", n.Line), true
		}
		if chain := n.Kids[0].Chain(); strings.Contains(chain, "signed") || strings.Contains(chain, "encrypted") {
			return q.flags(nil, "secure", "httponly", n.Line), true
		}
		return q.flags(nil, "secure", "httponly", n.Line), true
	case n.Op == code.Assign && strings.HasSuffix(n.Kids[0].Chain(), "document.cookie"):
		return surely("A script sets the cookie on line %d, so that scripts can read it: no HttpOnly", n.Line), true
	case n.Op == code.Map && strings.HasSuffix(n.Type, "http.Cookie"):
		if v := n.Named("MaxAge"); v != nil && (v.Op == code.Unary || v.Text == "-1") {
			return safely("secure flags are not needed: line %d deletes the cookie", n.Line), true
		}
		if why := q.harmlessCookieName(n.Named("Name")); why != "" && n.Named("Secure") != nil {
			return safely("%s", why), true
		}
		return q.flags(n.Kids, "Secure", "HttpOnly", n.Line), true
	case n.Op != code.Call && n.Op != code.New:
		return answer{}, false
	}
	method := n.Method()
	switch q.lang() {
	case syntax.JavaScript:
		return q.cookieJS(n, method)
	case syntax.Python:
		switch method {
		case "delete_cookie":
			return safely("secure flags are not needed: line %d deletes the cookie", n.Line), true
		case "set_cookie", "set_secure_cookie", "set_signed_cookie":
			return q.flags(n.Args(), "secure", "httponly", n.Line), true
		}
	case syntax.Ruby:
		if method == "delete" && n.Receiver() != nil && n.Receiver().Chain() == "cookies" {
			return safely("secure flags are not needed: line %d deletes the cookie", n.Line), true
		}
		if method == "set_cookie" {
			if r := q.flow.Resolve(n.Arg(1)); r != nil && r.Op == code.Map {
				return q.flags(r.Kids, "secure", "httponly", n.Line), true
			}
			return q.flags(n.Args(), "secure", "httponly", n.Line), true
		}
	case syntax.PHP:
		if method == "setcookie" || method == "setrawcookie" || method == "session_set_cookie_params" {
			return q.cookiePHP(n, method), true
		}
	case syntax.Java:
		return q.cookieJava(n, method)
	case syntax.Go:
		if method == "SetCookie" && len(n.Args()) == 7 { // gin
			return q.twoFlags(n.Arg(5), n.Arg(6), n.Line), true
		}
		if method == "SetCookie" {
			if r := q.flow.Resolve(n.Arg(1)); r != nil && r.Op == code.Map {
				return cookieRule(q, r)
			}
			if a := n.Arg(1); a != nil && a.Op == code.Unary {
				if r := q.flow.Resolve(a.Kids[0]); r != nil && r.Op == code.Map {
					return cookieRule(q, r)
				}
			}
		}
	}
	return answer{}, false
}

func (q *query) harmlessCookieName(n *code.Node) string {
	if text, ok := q.flow.Literal(n); ok && harmlessCookie.MatchString(text) {
		return "secure flags are not needed: the cookie " + text + " holds a preference"
	}
	return ""
}

func (q *query) cookieJS(n *code.Node, method string) (answer, bool) {
	switch method {
	case "clearCookie":
		return safely("secure flags are not needed: line %d deletes the cookie", n.Line), true
	case "cookie", "setCookie", "set":
		r := n.Receiver()
		if method == "set" && (r == nil || !strings.HasSuffix(strings.TrimSuffix(r.Chain(), "()"), "ookies")) || method == "cookie" && r == nil {
			return answer{}, false
		}
		options := q.flow.Resolve(n.Arg(2))
		if options == nil || options.Op != code.Map {
			if n.Arg(2) != nil {
				return unknown(), true
			}
			return surely("The cookie on line %d has neither Secure nor HttpOnly", n.Line), true
		}
		return q.flags(options.Kids, "secure", "httponly", n.Line), true
	case "setHeader", "header", "append":
		name, _ := q.flow.Literal(n.Arg(0))
		if !strings.EqualFold(name, "set-cookie") || n.Arg(1) == nil {
			return answer{}, false
		}
		return cookieText(q.flowText(n.Arg(1)), n.Line), true
	case "session", "cookieSession":
		if v := q.option(n, "cookie"); v != nil {
			if r := q.flow.Resolve(v); r != nil && r.Op == code.Map {
				return q.flagsDefault(r.Kids, "secure", "httponly", n.Line, true), true
			}
		}
		if method == "session" && n.Receiver() == nil {
			return surely("The session's cookie on line %d has no Secure", n.Line), true
		}
	case "serialize":
		if r := n.Receiver(); r != nil && strings.HasSuffix(r.Chain(), "cookie") {
			if o := q.flow.Resolve(n.Arg(2)); o != nil && o.Op == code.Map {
				return q.flags(o.Kids, "secure", "httponly", n.Line), true
			}
			return surely("The cookie on line %d has neither Secure nor HttpOnly", n.Line), true
		}
	}
	return answer{}, false
}

func cookieText(text string, line int) answer {
	lower := strings.ToLower(text)
	if strings.Contains(lower, "secure") && strings.Contains(lower, "httponly") {
		return safely("secure flags: the cookie on line %d has Secure and HttpOnly", line)
	}
	if strings.Contains(lower, "max-age=0") {
		return safely("secure flags are not needed: line %d deletes the cookie", line)
	}
	return surely("The cookie on line %d lacks Secure or HttpOnly", line)
}

// flags judges options with two keys, in any case.
func (q *query) flags(pairs []*code.Node, secure, httpOnly string, line int) answer {
	return q.flagsDefault(pairs, secure, httpOnly, line, false)
}

func (q *query) flagsDefault(pairs []*code.Node, secure, httpOnly string, line int, httpOnlyDefault bool) answer {
	var s, h *code.Node
	for _, p := range pairs {
		if p.Op == code.Spread && len(p.Kids) > 0 {
			if r := q.flow.Resolve(p.Kids[0]); r != nil && r.Op == code.Map {
				if a := q.flagsDefault(r.Kids, secure, httpOnly, line, httpOnlyDefault); a.safe {
					return a
				}
			}
		}
		if p.Op != code.Pair {
			continue
		}
		key := strings.ToLower(strings.ReplaceAll(p.Text, "_", ""))
		if key == "maxage" && p.Kids[0].Text == "0" {
			return safely("secure flags are not needed: line %d deletes the cookie", line)
		}
		if key == strings.ToLower(secure) {
			s = p.Kids[0]
		}
		if key == strings.ToLower(httpOnly) {
			h = p.Kids[0]
		}
	}
	if h == nil && httpOnlyDefault {
		h = &code.Node{Op: code.Const, Text: "true"}
	}
	return q.twoFlags(s, h, line)
}

func (q *query) twoFlags(s, h *code.Node, line int) answer {
	on := func(n *code.Node) int {
		if n == nil {
			return -1
		}
		text, ok := q.flow.Literal(n)
		switch {
		case ok && (text == "true" || text == "1"):
			return 1
		case ok:
			return -1
		default:
			return 0
		}
	}
	a, b := on(s), on(h)
	switch {
	case a == 1 && b == 1:
		return safely("secure flags: the cookie on line %d has Secure and HttpOnly", line)
	case a == -1 && b == -1:
		return surely("The cookie on line %d has neither Secure nor HttpOnly", line)
	case a == -1:
		return surely("The cookie on line %d has no Secure: it travels over plain HTTP too", line)
	case b == -1:
		return surely("The cookie on line %d has no HttpOnly: scripts can read it", line)
	default:
		return answer{value: flow.Value{Kind: flow.Unknown}, why: "Whether the cookie on line " + itoa(line) + " is Secure and HttpOnly is not in this file"}
	}
}

func (q *query) cookiePHP(n *code.Node, method string) answer {
	for _, a := range n.Args() {
		if r := q.flow.Resolve(a); r != nil && r.Op == code.Map {
			return q.flags(r.Kids, "secure", "httponly", n.Line)
		}
	}
	if v := n.Named("secure"); v != nil {
		return q.flags(n.Args(), "secure", "httponly", n.Line)
	}
	if value := n.Arg(1); value != nil && value.Op == code.Str && value.Text == "" && n.Arg(2) != nil {
		return safely("secure flags are not needed: line %d deletes the cookie", n.Line)
	}
	i := 5
	if method == "session_set_cookie_params" {
		i = 3
	}
	return q.twoFlags(n.Arg(i), n.Arg(i+1), n.Line)
}

func (q *query) cookieJava(n *code.Node, method string) (answer, bool) {
	object := ""
	switch {
	case method == "addCookie" && n.Arg(0) != nil:
		object = n.Arg(0).Chain()
	case n.Op == code.New && method == "Cookie" && n.Parent != nil && n.Parent.Op == code.Assign:
		object = n.Parent.Kids[0].Chain()
	case method == "build" && strings.Contains(n.Kids[0].Chain(), "ResponseCookie"):
		chain := q.file.tree.Slice(n.Start, n.End)
		if strings.Contains(chain, ".secure(true)") && strings.Contains(chain, ".httpOnly(true)") {
			return safely("secure flags: the cookie on line %d has Secure and HttpOnly", n.Line), true
		}
		return surely("The cookie on line %d lacks Secure or HttpOnly", n.Line), true
	default:
		return answer{}, false
	}
	var s, h *code.Node
	for name, into := range map[string]**code.Node{"setSecure": &s, "setHttpOnly": &h} {
		for _, c := range q.file.code.Calls[name] {
			if r := c.Receiver(); r != nil && r.Chain() == object && c.Enclosing() == n.Enclosing() {
				*into = c.Arg(0)
			}
		}
	}
	for _, c := range q.file.code.Calls["setMaxAge"] {
		if r := c.Receiver(); r != nil && r.Chain() == object && c.Enclosing() == n.Enclosing() && c.Arg(0) != nil && c.Arg(0).Text == "0" {
			return safely("secure flags are not needed: line %d deletes the cookie", c.Line), true
		}
	}
	return q.twoFlags(s, h, n.Line), true
}
