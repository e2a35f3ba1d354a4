package judge

import (
	"strings"
	"unicode"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/flow"
)

// Type is a class of vulnerabilities, in the spelling of answers and metrics.
type Type string

// The classes that are judged on the tree.
const (
	SQLInjection     = Type(flow.SQL)
	NoSQLInjection   = Type(flow.NoSQL)
	XSS              = Type(flow.XSS)
	CodeInjection    = Type(flow.Code)
	CommandInjection = Type(flow.Command)
	PathTraversal    = Type(flow.Path)
	SSRF             = Type(flow.SSRF)
	OpenRedirect     = Type(flow.Redirect)
	LDAPInjection    = Type(flow.LDAP)
	XPathInjection   = Type(flow.XPath)
	XXE              = Type(flow.XML)
	Deserialization  = Type(flow.Deserialize)
	TimingAttack     = Type("timing_attack")
	HardcodedSecret  = Type("hardcoded_secret")
	WeakHash         = Type("weak_hash")
	WeakRandomness   = Type("weak_randomness")
	InsecureCookie   = Type("insecure_cookie")
)

// Types are all classes.
func Types() []Type {
	return []Type{
		SQLInjection, NoSQLInjection, XSS, CodeInjection, CommandInjection, PathTraversal, SSRF, OpenRedirect, LDAPInjection, XPathInjection,
		XXE, Deserialization, TimingAttack, HardcodedSecret, WeakHash, WeakRandomness, InsecureCookie,
	}
}

// aliases are other names, without separators.
var aliases = map[string]Type{
	"sql": SQLInjection, "sqli": SQLInjection, "nosql": NoSQLInjection, "nosqli": NoSQLInjection, "mongodbinjection": NoSQLInjection,
	"crosssitescripting": XSS, "storedxss": XSS, "reflectedxss": XSS, "domxss": XSS, "dombasedxss": XSS, "xssvulnerability": XSS, "templateinjection": XSS, "ssti": XSS,
	"evalinjection": CodeInjection, "jsevalinjection": CodeInjection, "eval": CodeInjection, "rce": CodeInjection, "remotecodeexecution": CodeInjection, "codeexecution": CodeInjection,
	"osinjection": CommandInjection, "oscommandinjection": CommandInjection, "shellinjection": CommandInjection, "commandexecution": CommandInjection,
	"directorytraversal": PathTraversal, "lfi": PathTraversal, "localfileinclusion": PathTraversal, "fileinclusion": PathTraversal, "zipslip": PathTraversal,
	"serversiderequestforgery": SSRF, "redirect": OpenRedirect, "unvalidatedredirect": OpenRedirect, "urlredirection": OpenRedirect,
	"ldap": LDAPInjection, "xpath": XPathInjection, "xmlexternalentity": XXE, "xmlexternalentities": XXE, "xmlinjection": XXE, "xxeinjection": XXE,
	"deserialization": Deserialization, "deserialisation": Deserialization, "insecuredeserialization": Deserialization, "insecuredeserialisation": Deserialization,
	"unsafedeserialization": Deserialization, "objectinjection": Deserialization, "timing": TimingAttack, "timingsidechannel": TimingAttack, "timingattacks": TimingAttack,
	"hardcodedcredentials": HardcodedSecret, "hardcodedcredential": HardcodedSecret, "hardcodedsecrets": HardcodedSecret, "hardcodedpassword": HardcodedSecret, "hardcodedapikey": HardcodedSecret, "secret": HardcodedSecret, "secrets": HardcodedSecret,
	"weakhash": WeakHash, "weakhashing": WeakHash, "weakcrypto": WeakHash, "weakcryptography": WeakHash, "weakcryptographichash": WeakHash, "insecurehash": WeakHash, "weakcipher": WeakHash, "insecurecrypto": WeakHash,
	"weakrandom": WeakRandomness, "insecurerandom": WeakRandomness, "insecurerandomness": WeakRandomness, "predictablerandom": WeakRandomness, "weakrng": WeakRandomness,
	"cookie": InsecureCookie, "cookiesecurity": InsecureCookie, "insecurecookies": InsecureCookie, "missinghttponly": InsecureCookie, "cookiewithoutsecure": InsecureCookie, "insecuresession": InsecureCookie,
}

// TypeOf reads any spelling: sql-injection, SqlInjection, "SQL Injection". A
// type that it does not know is kept, and nothing of it is ever called safe.
func TypeOf(text string) Type {
	var b strings.Builder
	for _, r := range text {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			b.WriteRune(unicode.ToLower(r))
		}
		if b.Len() > 64 {
			break
		}
	}
	key := b.String()
	for _, t := range Types() {
		if strings.ReplaceAll(string(t), "_", "") == key {
			return t
		}
	}
	if t, ok := aliases[key]; ok {
		return t
	}
	return Type(key)
}
