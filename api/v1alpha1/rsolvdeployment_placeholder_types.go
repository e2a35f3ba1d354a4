package v1alpha1

// BuiltinPlaceholders says whether the list counts that everybody writes.
//
// +kubebuilder:validation:Enum=Included;Replaced
type BuiltinPlaceholders string

const (
	// BuiltinPlaceholdersIncluded counts the built-in list too.
	BuiltinPlaceholdersIncluded BuiltinPlaceholders = "Included"
	// BuiltinPlaceholdersReplaced counts what is declared, and nothing else.
	BuiltinPlaceholdersReplaced BuiltinPlaceholders = "Replaced"
)

// Placeholders says which values of secrets count as not filled in.
type Placeholders struct {
	// Words that stand for a value still to come. A value is compared whole,
	// in lower case, without -, _ and blanks: acme-default is also
	// ACME_DEFAULT. Never write a real secret here.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	// +kubebuilder:validation:items:XValidation:rule="self.matches('[A-Za-z0-9]')",message="a word has at least one letter or digit: use patterns for anything else"
	Words []string `json:"words,omitempty"`

	// Patterns are regular expressions (RE2) for whole values, for example
	// TEST-[0-9]+. Begin with (?i) to ignore case.
	//
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=256
	// +kubebuilder:validation:items:XValidation:rule="!''.matches('^(?:' + self + ')$')",message="write a regular expression (RE2) that does not match the empty value, such as TEST-[0-9]+"
	Patterns []string `json:"patterns,omitempty"`

	// Builtin is Included to count the built-in list too (changeme,
	// REPLACE_ME, <…>, todo, …), or Replaced to count words and patterns
	// alone.
	//
	// +optional
	// +kubebuilder:default=Included
	Builtin BuiltinPlaceholders `json:"builtin,omitempty"`

	// Exempt names variables whose values are taken as they are, for one whose
	// real value is "none", for example. They must still be there.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=128
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^[A-Za-z_][A-Za-z0-9_]*$')",message="name a variable, such as STRIPE_API_KEY, not the key of a secret"
	Exempt []string `json:"exempt,omitempty"`
}
