package judge

import (
	"regexp"
	"slices"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/code"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/flow"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

func set(words string) map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		m[w] = true
	}
	return m
}

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

var (
	nosqlCalls = set(`find findOne findOneAndUpdate findOneAndDelete findOneAndReplace updateOne updateMany deleteOne deleteMany count countDocuments aggregate distinct where remove exists replaceOne
		find_one find_one_and_update find_one_and_delete update_one update_many delete_one delete_many count_documents insert_one findById findByIdAndUpdate findByIdAndDelete find_by get
		Find FindOne UpdateOne UpdateMany DeleteOne DeleteMany FindOneAndUpdate CountDocuments Aggregate parse eq append put mapReduce $where group update any_of first $match findAndModify`)
	mongoName = regexp.MustCompile(`(?i)mongo|collection|coll\b|model|users?|accounts?|orders?|posts?|items?|products?|db\b|[A-Z]\w+$`)
)

func nosqlRule(q *query, n *code.Node) (answer, bool) {
	if n.Op == code.Pair && n.Text == "$where" {
		return q.judgeValue(n.Kids[0], "constant value", "Safe MongoDB query"), true
	}
	document := n.Op == code.New && (n.Method() == "BasicDBObject" || n.Method() == "Document")
	if n.Op != code.Call && n.Op != code.New || !nosqlCalls[n.Method()] && !document {
		return answer{}, false
	}
	method := n.Method()
	switch {
	case method == "findById" || method == "findByIdAndUpdate" || method == "findByIdAndDelete":
		return safely("Safe MongoDB query: %s on line %d casts the id", method, n.Line), true
	case n.Op == code.New || method == "parse" || method == "append" || method == "put" || method == "eq":
		return q.javaDocument(n)
	case method == "get" || method == "update" || method == "count":
		if r := n.Receiver(); r == nil || !mongoName.MatchString(r.Chain()) {
			return answer{}, false
		}
	}
	arg := n.Arg(0)
	if q.lang() == syntax.Go {
		arg = n.Arg(1)
	}
	var pairs []*code.Node
	for _, k := range n.Args() {
		if k.Op == code.Pair {
			pairs = append(pairs, k)
		}
	}
	if arg == nil && len(pairs) == 0 {
		return safely("Safe MongoDB query: %s on line %d asks for everything", method, n.Line), true
	}
	if arg != nil && arg.Op == code.Func {
		return answer{}, false
	}
	if len(pairs) == 0 {
		return q.filter(arg, 0), true
	}
	return q.filter(&code.Node{Op: code.Map, Kids: pairs, Line: n.Line}, 0), true
}

// filter judges a filter of MongoDB: a value from a request must be no object,
// and no code.
func (q *query) filter(n *code.Node, depth int) answer {
	target := q.flow.Resolve(n)
	if target == nil || depth > 6 {
		return unknown()
	}
	if target.Op == code.List {
		out := safely("Safe MongoDB query: line %d", n.Line)
		for _, k := range target.Kids {
			if a := q.filter(k, depth+1); worse(a, out) {
				out = a
			}
		}
		return out
	}
	if target.Op == code.Call || target.Op == code.New {
		if a, ok := q.javaDocument(target); ok {
			return a
		}
	}
	if target.Op != code.Map {
		v := q.flow.Value(n, flow.NoSQL)
		if v.Kind == flow.Constant || v.Kind == flow.Safe || v.Kind == flow.Tainted && v.Text && depth > 0 {
			return safely("Safe MongoDB query: line %d takes a plain value%s", n.Line, because(v.Why))
		}
		return answer{value: v}
	}
	out := safely("Safe MongoDB query: line %d writes its filter out, without operators from a request", n.Line)
	for _, p := range target.Kids {
		if p.Op == code.Spread {
			if a := q.judgeValue(p, "constant value", "Safe MongoDB query"); worse(a, out) {
				out = a
			}
			continue
		}
		if p.Op != code.Pair || len(p.Kids) == 0 {
			continue
		}
		var a answer
		value := p.Kids[0]
		switch p.Text {
		case "$where", "$function", "$accumulator":
			a = q.judgeValue(value, "constant value", "Safe MongoDB query")
			if v := q.flow.Value(value, flow.Plain); v.Kind == flow.Tainted {
				a = answer{value: v}
			}
		case "$eq":
			continue
		default:
			if len(p.Kids) > 1 { // a computed key
				if v := q.flow.Value(p.Kids[1], flow.Plain); v.Kind >= flow.Suspicious {
					return answer{value: v}
				}
			}
			a = q.filter(value, depth+1)
		}
		if worse(a, out) {
			out = a
		}
	}
	return out
}

func (q *query) javaDocument(n *code.Node) (answer, bool) {
	if q.lang() != syntax.Java && n.Method() != "parse" {
		return answer{}, false
	}
	args := n.Args()
	switch {
	case n.Method() == "parse":
		if r := n.Receiver(); r == nil || !slices.Contains([]string{"BasicDBObject", "Document", "BsonDocument", "JSON"}, r.Chain()) || q.lang() != syntax.Java {
			return answer{}, false
		}
		return q.judgeValue(n.Arg(0), "constant value", "Safe MongoDB query"), true
	case len(args) == 2 && args[0].Op == code.Str && args[0].Text == "$where":
		return q.judgeValue(args[1], "constant value", "Safe MongoDB query"), true
	case len(args) == 2 && args[0].Op == code.Str:
		return safely("Safe MongoDB query: line %d compares with a plain value", n.Line), true
	}
	return answer{}, false
}

var ldapCalls = set(`search searchAsync search_s search_ext search_st search_ext_s ldap_search ldap_list ldap_read NewSearchRequest construct Search searchSync searchReturningEntries bind compare filter lookup`)

func ldapRule(q *query, n *code.Node) (answer, bool) {
	if n.Op != code.Call && n.Op != code.New || !ldapCalls[n.Method()] && n.Method() != "NewSearchRequest" && n.Method() != "SearchRequest" {
		return answer{}, false
	}
	var exprs []*code.Node
	for _, a := range n.Args() {
		switch a.Op {
		case code.Func:
			continue
		case code.Pair:
			exprs = append(exprs, a.Kids[0])
			continue
		}
		r := q.flow.Resolve(a)
		if r != nil && r.Op == code.Map {
			for _, key := range []string{"filter", "base"} {
				if v := r.Named(key); v != nil {
					exprs = append(exprs, v)
				}
			}
			continue
		}
		if q.lang() == syntax.PHP && len(exprs) == 0 && a.Op == code.Name && n.Arg(0) == a {
			continue // the connection
		}
		exprs = append(exprs, a)
	}
	if len(exprs) >= 3 && q.lang() == syntax.Java {
		if text, ok := q.flow.Literal(exprs[1]); ok && strings.Contains(text, "{0}") {
			return safely("parameterized filter: line %d binds its values", n.Line), true
		}
	}
	return q.interesting(exprs, "constant value", "escaping"), true
}

// interesting judges the arguments that are texts; names of connections and the
// like, of which nothing is known, only count when nothing else is there.
func (q *query) interesting(exprs []*code.Node, constant, clean string) answer {
	var texts []*code.Node
	for _, e := range exprs {
		if e.Op == code.Name || e.Op == code.Member || e.Op == code.Call {
			if v := q.flow.Value(e, q.use()); v.Kind == flow.Unknown {
				continue
			}
		}
		texts = append(texts, e)
	}
	if len(texts) == 0 {
		return unknown()
	}
	built := false
	for _, e := range texts {
		if v := q.flow.Value(e, q.use()); v.Kind != flow.Constant || len(q.flow.Parts(e)) > 0 && e.Op != code.Const && e.Op != code.Num {
			built = true
		}
	}
	if !built {
		return unknown()
	}
	return q.worstOf(texts, constant, clean)
}

var xpathCalls = set(`select select1 evaluate xpath find findall query compile search at_xpath SelectSingleNode selectSingleNode selectNodes Find FindOne QueryAll Query MustCompile parse findtext iterfind XPath at Compile`)

func xpathRule(q *query, n *code.Node) (answer, bool) {
	if n.Op != code.Call && n.Op != code.New || !xpathCalls[n.Method()] {
		return answer{}, false
	}
	i := 0
	chain := n.Kids[0].Chain()
	if q.lang() == syntax.Go && (strings.HasPrefix(chain, "xmlquery.") || strings.HasPrefix(chain, "htmlquery.")) {
		i = 1
	}
	arg := n.Arg(i)
	if arg == nil || arg.Op == code.Func {
		return answer{}, false
	}
	if strings.Contains(chain, "parseWithXPath") {
		return answer{}, false
	}
	a := q.judgeValue(arg, "constant value", "escaping")
	if a.safe && a.value.Kind == flow.Constant && len(n.Args()) > 1 {
		a.why = strings.Replace(a.why, "constant value", "parameterized expression", 1)
	}
	return a, true
}
