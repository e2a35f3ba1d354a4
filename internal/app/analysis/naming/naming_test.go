package naming

import (
	"math"
	"strings"
	"testing"
)

func TestScores(t *testing.T) {
	for _, c := range []struct {
		source, test string
		want         float64
	}{
		{"lib/billing/invoice.ex", "test/billing/invoice_test.exs", 1.50},
		{"app/models/basket.rb", "spec/models/basket_spec.rb", 1.50}, // out of the original's reach
		{"src/api/orders.ts", "test/api/orders.test.ts", 1.49},
		{"src/api/orders.ts", "src/api/__tests__/orders.test.ts", 1.45},
		{"src/api/orders.ts", "test/orders.test.ts", 0.80},
		{"shop/dao/cart.py", "tests/test_dao.py", 0.50},
		{"shop/dao/cart.py", "tests/test_cart.py", 0.80},
		{"shop/dao/cart.py", "tests/dao/test_cart.py", 1.25},
		{"main.py", "tests/test_main.py", 1.30},
		{"app/models/basket.rb", "spec/system/login_spec.rb", 0},
		{"app/models/basket.rb", "spec/requests/baskets_spec.rb", 0.40},
	} {
		if got := score(c.source, c.test).Score; math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s, %s: %.4f, want %.2f", c.source, c.test, got, c.want)
		}
	}
}

func TestRank(t *testing.T) {
	got := Rank("app/controllers/users_controller.rb", []string{
		"spec/system/login_spec.rb", "spec/requests/users_spec.rb", "spec/controllers/users_controller_spec.rb", "spec/controllers/posts_controller_spec.rb",
	})
	if got[0].Path != "spec/controllers/users_controller_spec.rb" || got[0].Score < 1 || got[0].Score-got[1].Score < 0.3 || !strings.Contains(got[0].Reason, "direct unit test") {
		t.Errorf("%+v", got)
	}
	for i, r := range got {
		if r.Score < 0 || r.Score > 1.5 || i > 0 && r.Score > got[i-1].Score {
			t.Errorf("%+v", got)
		}
	}
}

func TestFallbackPath(t *testing.T) {
	for _, c := range [][3]string{
		{"app/models/basket.rb", "rspec", "spec/security/models/basket_security_spec.rb"},
		{"src/api/orders.js", "vitest", "test/security/api/orders_security.test.ts"},
		{"shop/cart.py", "pytest", "tests/security/shop/cart_security_test.py"},
		{"internal/web/user.go", "go", "internal/web/user_security_test.go"},
		{"src/main/User.java", "junit", "src/test/java/security/main/UserSecurityTest.java"},
		{"", "rspec", "spec/security/new_security_spec.rb"},
	} {
		if got := FallbackPath(c[0], c[1]).Path; got != c[2] {
			t.Errorf("%s with %s: %s, want %s", c[0], c[1], got, c[2])
		}
	}
}

func TestFile(t *testing.T) {
	for _, c := range [][4]string{
		{"app/services/refund_worker.rb", "mass_assignment", "RSpec", "spec/security/refund_worker_mass_assignment_spec.rb"},
		{"src/ui/cart-line.tsx", "stored-xss", "jest", "__tests__/security/CartLine.storedXss.test.tsx"},
		{"src/a.mjs", "xss", "mocha", "__tests__/security/A.xss.test.js"},
		{"jobs/Importer.py", "path_traversal", "unittest", "tests/security/test_path_traversal_importer.py"},
		{"lib/APIKey.rb", "xss", "minitest", "spec/security/a_p_i_key_xss_spec.rb"},
		{"src/OAuthToken.ts", "sql_injection", "vitest", "__tests__/security/OauthToken.sqlInjection.test.ts"},
		{"README", "xss", "other", "tests/security/r_e_a_d_m_e_xss_test"},
		{"a.b.c.js", "x", "jest", "__tests__/security/A.x.test.js"},
		{"src/User.php", "sql-injection", "phpunit", "tests/Security/UserSqlInjectionTest.php"},
		{"src/User.java", "xxe", "junit", "src/test/java/security/UserXxeTest.java"},
		{"lib/a/user.ex", "xss", "exunit", "test/security/user_xss_test.exs"},
		{"internal/web/user.go", "ssrf", "go test", "internal/web/user_ssrf_test.go"},
	} {
		name, folder := File(c[0], c[1], c[2])
		if folder+name != c[3] {
			t.Errorf("%v: %s", c, folder+name)
		}
	}
}
