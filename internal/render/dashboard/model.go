package dashboard

// The parts of Grafana's dashboard model that are written here. Field names
// and nesting are Grafana's.
type (
	model struct {
		UID           string         `json:"uid"`
		Title         string         `json:"title"`
		Description   string         `json:"description"`
		Tags          []string       `json:"tags"`
		SchemaVersion int            `json:"schemaVersion"`
		Editable      bool           `json:"editable"`
		GraphTooltip  int            `json:"graphTooltip"`
		Refresh       string         `json:"refresh"`
		Time          timeRange      `json:"time"`
		Timezone      string         `json:"timezone"`
		Templating    templating     `json:"templating"`
		Annotations   annotationList `json:"annotations"`
		Panels        []panel        `json:"panels"`
	}
	timeRange struct {
		From string `json:"from"`
		To   string `json:"to"`
	}
	templating struct {
		List []variable `json:"list"`
	}
	variable struct {
		Name  string `json:"name"`
		Label string `json:"label"`
		Type  string `json:"type"`
		Query string `json:"query"`
	}
	annotationList struct {
		List []annotation `json:"list"`
	}
	annotation struct {
		Name        string     `json:"name"`
		Datasource  datasource `json:"datasource"`
		Enable      bool       `json:"enable"`
		IconColor   string     `json:"iconColor"`
		Expr        string     `json:"expr"`
		TitleFormat string     `json:"titleFormat"`
	}
	datasource struct {
		Type string `json:"type"`
		UID  string `json:"uid"`
	}
	panel struct {
		ID          int          `json:"id"`
		Type        string       `json:"type"`
		Title       string       `json:"title"`
		Description string       `json:"description,omitempty"`
		GridPos     gridPos      `json:"gridPos"`
		Datasource  *datasource  `json:"datasource,omitempty"`
		Links       []link       `json:"links,omitempty"`
		FieldConfig *fieldConfig `json:"fieldConfig,omitempty"`
		Options     any          `json:"options,omitempty"`
		Targets     []query      `json:"targets,omitempty"`
		// Transformations turn what the queries gave into rows of a table.
		Transformations []transformation `json:"transformations,omitempty"`
		// Rows hold their panels beside them, not inside, while open.
		Collapsed *bool    `json:"collapsed,omitempty"`
		Panels    *[]panel `json:"panels,omitempty"`
	}
	gridPos struct {
		H int `json:"h"`
		W int `json:"w"`
		X int `json:"x"`
		Y int `json:"y"`
	}
	// Grafana's schema demands all of these.
	link struct {
		Title       string   `json:"title"`
		Type        string   `json:"type"`
		Icon        string   `json:"icon"`
		Tooltip     string   `json:"tooltip"`
		URL         string   `json:"url"`
		Tags        []string `json:"tags"`
		AsDropdown  bool     `json:"asDropdown"`
		TargetBlank bool     `json:"targetBlank"`
		IncludeVars bool     `json:"includeVars"`
		KeepTime    bool     `json:"keepTime"`
	}
	query struct {
		RefID        string     `json:"refId"`
		Datasource   datasource `json:"datasource"`
		Expr         string     `json:"expr"`
		LegendFormat string     `json:"legendFormat"`
		Format       string     `json:"format,omitempty"`
		Instant      bool       `json:"instant,omitempty"`
		Range        bool       `json:"range,omitempty"`
	}
	fieldConfig struct {
		Defaults  fieldDefaults `json:"defaults"`
		Overrides []override    `json:"overrides"`
	}
	fieldDefaults struct {
		Unit       string     `json:"unit"`
		Decimals   *int       `json:"decimals,omitempty"`
		Min        *float64   `json:"min,omitempty"`
		Max        *float64   `json:"max,omitempty"`
		Color      *mode      `json:"color,omitempty"`
		NoValue    string     `json:"noValue,omitempty"`
		Thresholds thresholds `json:"thresholds"`
		Custom     *custom    `json:"custom,omitempty"`
	}
	thresholds struct {
		Mode  string `json:"mode"`
		Steps []step `json:"steps"`
	}
	// The first step has no value: it reaches down to minus infinity.
	step struct {
		Color string   `json:"color"`
		Value *float64 `json:"value"`
	}
	custom struct {
		DrawStyle       string `json:"drawStyle"`
		LineWidth       int    `json:"lineWidth"`
		FillOpacity     int    `json:"fillOpacity"`
		ShowPoints      string `json:"showPoints"`
		SpanNulls       bool   `json:"spanNulls"`
		ThresholdsStyle mode   `json:"thresholdsStyle"`
	}
	mode struct {
		Mode string `json:"mode"`
	}
	override struct {
		Matcher    matcher    `json:"matcher"`
		Properties []property `json:"properties"`
	}
	matcher struct {
		ID      string `json:"id"`
		Options string `json:"options"`
	}
	property struct {
		ID    string `json:"id"`
		Value any    `json:"value"`
	}
	statOptions struct {
		TextMode      string        `json:"textMode"`
		Orientation   string        `json:"orientation"`
		JustifyMode   string        `json:"justifyMode"`
		WideLayout    bool          `json:"wideLayout"`
		ColorMode     string        `json:"colorMode"`
		GraphMode     string        `json:"graphMode"`
		ReduceOptions reduceOptions `json:"reduceOptions"`
		// Off, and demanded by the schema.
		ShowPercentChange      bool   `json:"showPercentChange"`
		PercentChangeColorMode string `json:"percentChangeColorMode"`
	}
	reduceOptions struct {
		Calcs  []string `json:"calcs"`
		Fields string   `json:"fields"`
		Values bool     `json:"values"`
	}
	gaugeOptions struct {
		Orientation          string        `json:"orientation"`
		ShowThresholdMarkers bool          `json:"showThresholdMarkers"`
		ShowThresholdLabels  bool          `json:"showThresholdLabels"`
		Sizing               string        `json:"sizing"`
		MinVizWidth          int           `json:"minVizWidth"`
		MinVizHeight         int           `json:"minVizHeight"`
		ReduceOptions        reduceOptions `json:"reduceOptions"`
	}
	barsOptions struct {
		Orientation   string        `json:"orientation"`
		DisplayMode   string        `json:"displayMode"`
		ValueMode     string        `json:"valueMode"`
		NamePlacement string        `json:"namePlacement"`
		ShowUnfilled  bool          `json:"showUnfilled"`
		Sizing        string        `json:"sizing"`
		MinVizWidth   int           `json:"minVizWidth"`
		MinVizHeight  int           `json:"minVizHeight"`
		MaxVizHeight  int           `json:"maxVizHeight"`
		Legend        legend        `json:"legend"`
		ReduceOptions reduceOptions `json:"reduceOptions"`
	}
	pieOptions struct {
		Orientation   string        `json:"orientation"`
		PieType       string        `json:"pieType"`
		DisplayLabels []string      `json:"displayLabels"`
		Legend        pieLegend     `json:"legend"`
		Tooltip       tooltip       `json:"tooltip"`
		ReduceOptions reduceOptions `json:"reduceOptions"`
	}
	pieLegend struct {
		legend
		Values []string `json:"values"`
	}
	tableOptions struct {
		FrameIndex float64  `json:"frameIndex"`
		ShowHeader bool     `json:"showHeader"`
		CellHeight string   `json:"cellHeight"`
		SortBy     []sortBy `json:"sortBy"`
	}
	sortBy struct {
		DisplayName string `json:"displayName"`
		Desc        bool   `json:"desc"`
	}
	transformation struct {
		ID      string         `json:"id"`
		Options map[string]any `json:"options"`
	}
	timeseriesOptions struct {
		Legend  legend  `json:"legend"`
		Tooltip tooltip `json:"tooltip"`
	}
	legend struct {
		DisplayMode string   `json:"displayMode"`
		Placement   string   `json:"placement"`
		ShowLegend  bool     `json:"showLegend"`
		Calcs       []string `json:"calcs"`
	}
	tooltip struct {
		Mode string `json:"mode"`
		Sort string `json:"sort"`
	}
)

// schemaVersion of the model above; Grafana migrates older ones by itself.
const schemaVersion = 39
