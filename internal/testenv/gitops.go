package testenv

import (
	"os"
	"path/filepath"
	"testing"

	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Health is what GitOps tools make of an object: Flux and kubectl's
// descendants by kstatus, Argo CD by the script that is shipped.
type Health struct {
	Kstatus status.Status
	Argo    string
	// Message that Argo CD shows.
	Message string
}

// HealthOf judges an object as it is in the API server.
func HealthOf(tb testing.TB, object client.Object) Health {
	tb.Helper()
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		tb.Fatal(err)
	}
	u := &unstructured.Unstructured{Object: content}
	if u.GetKind() == "" { // a typed object that was read has none
		u.SetGroupVersionKind(kindOf(tb, object))
	}
	result, err := status.Compute(u)
	if err != nil {
		tb.Fatalf("kstatus of %s: %v", object.GetName(), err)
	}
	argo, message := argoHealth(tb, u.Object)
	return Health{Kstatus: result.Status, Argo: argo, Message: message}
}

// argoHealth runs the script as Argo CD does: the object is the global obj, and
// the answer a table.
func argoHealth(tb testing.TB, object map[string]any) (health, message string) {
	tb.Helper()
	script, err := os.ReadFile(filepath.Join(Root(), "config", "argocd", "health.lua"))
	if err != nil {
		tb.Fatal(err)
	}
	// Argo CD opens these libraries and no others.
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for name, open := range map[string]lua.LGFunction{
		lua.LoadLibName: lua.OpenPackage, lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable, lua.StringLibName: lua.OpenString,
	} {
		if err := state.CallByParam(lua.P{Fn: state.NewFunction(open), Protect: true}, lua.LString(name)); err != nil {
			tb.Fatal(err)
		}
	}
	state.SetGlobal("obj", luaValue(state, object))
	if err := state.DoString(string(script)); err != nil {
		tb.Fatalf("config/argocd/health.lua: %v", err)
	}
	answer, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		tb.Fatalf("config/argocd/health.lua returned %s", state.Get(-1))
	}
	return lua.LVAsString(answer.RawGetString("status")), lua.LVAsString(answer.RawGetString("message"))
}

// luaValue is a JSON value in Lua.
func luaValue(state *lua.LState, value any) lua.LValue {
	switch value := value.(type) {
	case map[string]any:
		table := state.NewTable()
		for key, item := range value {
			table.RawSetString(key, luaValue(state, item))
		}
		return table
	case []any:
		table := state.NewTable()
		for _, item := range value {
			table.Append(luaValue(state, item))
		}
		return table
	case string:
		return lua.LString(value)
	case bool:
		return lua.LBool(value)
	case int64:
		return lua.LNumber(value)
	case float64:
		return lua.LNumber(value)
	default:
		return lua.LNil
	}
}

func kindOf(tb testing.TB, object client.Object) schema.GroupVersionKind {
	tb.Helper()
	kinds, _, err := Scheme().ObjectKinds(object)
	if err != nil {
		tb.Fatal(err)
	}
	return kinds[0]
}
