package judge

import (
	"regexp"
	"slices"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/code"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/flow"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

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
	return q.foretold(n, chain), true
}

// foretold judges numbers that can be foretold by what they are for.
func (q *query) foretold(n *code.Node, chain string) answer {
	name := q.targetName(n)
	fn := ""
	if f := n.Enclosing(); f != nil {
		fn = f.Text
	}
	switch {
	case secretUse.MatchString(name) || q.mentionsSecret(n) || !harmlessUse.MatchString(name) && secretUse.MatchString(fn):
		return surely("%s on line %d can be foretold, and %s has to be secret", chain, n.Line, orWord(name, fn))
	case harmlessUse.MatchString(name) || name == "" && harmlessUse.MatchString(fn) || name == "setTimeout" || name == "sleep" || harmlessUse.MatchString(fn):
		return safely("secure random numbers are not needed: %s on line %d is no secret", orWord(name, fn), n.Line)
	}
	return answer{value: flow.Value{Kind: flow.Unknown}, why: chain + " on line " + itoa(n.Line) + " can be foretold; whether that matters is not in this file"}
}

// madeBy says whether a name holds an object of a class.
func (q *query) madeBy(n *code.Node, class string) bool {
	if n == nil {
		return false
	}
	r := q.flow.Resolve(n)
	return r != nil && (r.Op == code.New || r.Op == code.Call) && (r.Method() == class || strings.HasPrefix(r.Kids[0].Chain(), class+"."))
}
