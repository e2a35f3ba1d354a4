package judge

import (
	"regexp"
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
	return q.broken(n, algorithm), true
}

// broken judges a digest that can be forged by what it is for.
func (q *query) broken(n *code.Node, algorithm string) answer {
	if name := q.targetName(n); checksumName.MatchString(name) && !secretUse.MatchString(name) && !q.mentionsSecret(n) {
		return safely("strong algorithm is not needed: %s on line %d is a checksum", name, n.Line)
	}
	return surely("%s on line %d is broken: use SHA-256, or bcrypt, scrypt or Argon2 for passwords", algorithm, n.Line)
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
