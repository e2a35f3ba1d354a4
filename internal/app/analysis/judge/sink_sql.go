package judge

import (
	"regexp"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/code"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/flow"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

var (
	sqlCalls = set(`query execute executemany exec raw executeQuery executeUpdate executeBatch addBatch prepareStatement prepareCall createQuery createNativeQuery createSQLQuery queryForObject queryForList
		queryForMap QueryRow Query Exec QueryContext QueryRowContext ExecContext Prepare PrepareContext NamedExec NamedQuery Select Get Raw where Where whereRaw orderByRaw havingRaw selectRaw joinRaw fromRaw groupByRaw order reorder
		find_by_sql count_by_sql select_all select_one select_value select_rows exec_query mysqli_query mysql_query pg_query pg_send_query sqlite_query odbc_exec prepare text $queryRawUnsafe $executeRawUnsafe $queryRaw $executeRaw literal RawSQL extra
		having group joins pluck delete_by destroy_by update_all delete_all exists? get_results get_var get_row get_col statement select unprepared all run get each
		executescript read_sql read_sql_query fetch fetchAll batch update insert delete whereNotRaw unsafe andWhere orWhere Order Having Group Joins Not Or not or from fetchrow mysqli_multi_query multi_query exec_driver_sql sql SQL`)
	// plainNames are methods of many things; they are about SQL when a text
	// reads so.
	ambiguous    = set(`all run get each fetch fetchAll select update insert delete batch text unsafe Select Get or not from group having exec query execute raw sql extra where order literal Not Or Order Group joins prepare find statement Query fetchrow`)
	contextCalls = set(`QueryContext QueryRowContext ExecContext PrepareContext mysqli_query pg_query sqlite_query odbc_exec pg_send_query mysqli_multi_query NamedExecContext`)
	sqlText      = regexp.MustCompile(`(?is)\b(select\b.*\bfrom\b|insert\s+into\b|update\b.+\bset\b|delete\s+from\b|drop\s+table|create\s+table|alter\s+table|replace\s+into|union\s+select|where\b|order\s+by\b|exec\b|call\b|truncate\b|select\b)`)
	placeholder  = regexp.MustCompile(`\?|\$\d|%s|:\w+|@\w+|%\(\w+\)s`)
	ormReads     = set(`filter get exclude first last count exists create update_or_create get_or_create find_by find_or_create_by where not rewhere find_by! findOne findAll findMany findUnique findFirst findByPk count upsert`)
)

func sqlRule(q *query, n *code.Node) (answer, bool) {
	if n.Op != code.Call && n.Op != code.New {
		return answer{}, false
	}
	method := n.Method()
	if n.Tagged && (method == "sql" || method == "SQL" || method == "$queryRaw" || method == "$executeRaw" || method == "join") {
		return safely("parameterized query: the tag %s on line %d binds what is put in", method, n.Line), true
	}
	if !sqlCalls[method] && !ormReads[method] {
		return answer{}, false
	}
	i := 0
	if contextCalls[method] && (q.lang() != syntax.PHP || n.Receiver() == nil) {
		i = 1
	}
	arg := n.Arg(i)
	if method == "Select" || method == "Get" { // sqlx: destination first
		if arg = n.Arg(1); arg == nil {
			return answer{}, false
		}
	}
	if arg == nil {
		for _, k := range n.Args() {
			if k.Op == code.Pair && (ormReads[method] || q.lang() == syntax.Ruby) {
				return q.columns(n), true
			}
		}
		return answer{}, false
	}
	target := q.flow.Resolve(arg)
	if target == nil {
		target = arg
	}
	switch target.Op {
	case code.Func:
		return answer{}, false
	case code.Map:
		for _, key := range []string{"text", "sql"} {
			if v := target.Named(key); v != nil {
				return q.statement(n, v, true), true
			}
		}
		if q.lang() == syntax.Python || q.lang() == syntax.JavaScript && ambiguous[method] && !ormReads[method] {
			return answer{}, false
		}
		return safely("parameterized query: line %d names columns and binds their values", n.Line), true
	case code.List:
		if q.lang() == syntax.Ruby && len(target.Kids) > 0 {
			return q.statement(n, target.Kids[0], len(target.Kids) > 1), true
		}
	case code.Call:
		if target.Tagged && (target.Method() == "sql" || target.Method() == "SQL" || target.Method() == "raw" && false) {
			return safely("parameterized query: the tag %s binds what is put in", target.Method()), true
		}
		if sqlCalls[target.Method()] && !ambiguous[target.Method()] || target.Method() == "prepare" || target.Method() == "text" {
			return sqlRule(q, target)
		}
	}
	bound := len(n.Args()) > i+1
	if ambiguous[method] && !q.readsLikeSQL(arg) && !q.databaseLike(n) {
		return answer{}, false
	}
	if (method == "where" || method == "andWhere" || method == "orWhere" || method == "select" || method == "from") && target.Op == code.Str && q.lang() != syntax.Ruby && !sqlText.MatchString(target.Text) {
		if q.lang() == syntax.PHP || q.lang() == syntax.JavaScript {
			return safely("parameterized query: the column on line %d is written out and its value is bound", n.Line), true
		}
	}
	return q.statement(n, arg, bound), true
}

// columns judges keyword arguments of an ORM.
func (q *query) columns(n *code.Node) answer {
	for _, k := range n.Args() {
		if k.Op == code.Spread {
			return q.judgeValue(k, "constant value", "parameterized query")
		}
	}
	return safely("parameterized query: line %d names columns and binds their values", n.Line)
}

func (q *query) readsLikeSQL(n *code.Node) bool {
	for _, p := range q.flow.Parts(n) {
		if p.Node == nil && sqlText.MatchString(p.Text) {
			return true
		}
		if p.Node != nil && p.Node.Op == code.Name && regexp.MustCompile(`(?i)sql|query|stmt|statement`).MatchString(p.Node.Text) {
			return true
		}
	}
	return false
}

var databaseName = regexp.MustCompile(`(?i)(^|[._])(db|database|conn|connection|pool|client|cursor|cur|knex|sequelize|session|pdo|mysqli|stmt|statement|jdbc|jdbctemplate|em|entitymanager|tx|trx|sql|sqlx|gorm|engine|wpdb|dbh|activerecord|model|repository|prisma|pg|mysql|sqlite)\w*`)

func (q *query) databaseLike(n *code.Node) bool {
	r := n.Receiver()
	if r == nil {
		return false
	}
	chain := r.Chain()
	if databaseName.MatchString(chain) {
		return true
	}
	// Ruby's and PHP's models are classes.
	return (q.lang() == syntax.Ruby || q.lang() == syntax.PHP) && chain != "" && chain[0] >= 'A' && chain[0] <= 'Z'
}

// statement judges the text of an SQL statement.
func (q *query) statement(n, text *code.Node, bound bool) answer {
	a := q.judgeValue(text, "constant value", "properly sanitized")
	if a.safe && a.value.Kind == flow.Safe && !q.quotedRight(text) {
		v := q.flow.Value(text, flow.Plain)
		v.Cleaned = true
		return answer{value: v}
	}
	if !a.safe {
		return a
	}
	if a.value.Kind == flow.Constant {
		for _, p := range q.flow.Parts(text) {
			if p.Node == nil && placeholder.MatchString(p.Text) || bound {
				return safely("parameterized query: the statement on line %d is constant and its values are bound", n.Line)
			}
		}
	}
	return a
}

var quotingEscapes = regexp.MustCompile(`(real_escape_string|escape_string|esc_sql)$`)

// quotedRight says whether escapes that only work between quotes stand there.
func (q *query) quotedRight(text *code.Node) bool {
	before := ""
	for _, p := range q.flow.Parts(text) {
		if p.Node == nil {
			before = p.Text
			continue
		}
		node := q.flow.Resolve(p.Node)
		if node != nil && node.Op == code.Call && quotingEscapes.MatchString(node.Method()) && !strings.HasSuffix(strings.TrimRight(before, "%"), "'") && !strings.HasSuffix(strings.TrimRight(before, "%"), `"`) {
			return false
		}
	}
	return true
}
