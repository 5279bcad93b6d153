package evaluate

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"
)

// Page makes the readable report: one file with everything in it, no script and nothing from a network.
func (r *Report) Page() ([]byte, error) {
	pics, err := r.Pictures()
	if err != nil {
		return nil, err
	}
	return page("face.html", r, pics)
}

// page fills a template; pictures go in as SVG.
func page(name string, data any, pics []Picture) ([]byte, error) {
	type drawn struct {
		Name string
		URL  template.URL
	}
	var d []drawn
	for _, p := range pics {
		b, err := p.Bytes("svg")
		if err != nil {
			return nil, err
		}
		d = append(d, drawn{p.Name, template.URL("data:image/svg+xml;base64," + base64.StdEncoding.EncodeToString(b))})
	}
	t, err := template.New("").Funcs(template.FuncMap{
		"rate": rateText, "bounds": boundsText, "num": num, "pct": pct, "score": scoreText, "span": rangeText, "inc": func(i int) int { return i + 1 }, "rows": rows, "hash": short,
	}).Parse(styleText + pageText)
	if err != nil {
		return nil, fmt.Errorf("evaluate: page: %w", err)
	}
	var out bytes.Buffer
	if err := t.ExecuteTemplate(&out, name, map[string]any{"R": data, "Pictures": d}); err != nil {
		return nil, fmt.Errorf("evaluate: page: %w", err)
	}
	return out.Bytes(), nil
}

const none = "not evaluated"

func pct(v float64) string {
	p := 100 * v
	switch {
	case p == 0 || math.Abs(p) >= 10:
		return fmt.Sprintf("%.1f %%", p)
	case math.Abs(p) >= 0.1:
		return fmt.Sprintf("%.2f %%", p)
	}
	return fmt.Sprintf("%.2g %%", p)
}

func rateText(r Rate) string {
	if r.Value == nil {
		return none
	}
	return pct(*r.Value)
}

// boundsText gives counts, the Wilson bounds and those by persons.
func boundsText(r Rate) string {
	if r.Value == nil {
		return ""
	}
	s := fmt.Sprintf("%d of %d; %s … %s", r.Events, r.Trials, pct(*r.Low), pct(*r.High))
	if r.BootLow != nil {
		s += fmt.Sprintf("; by person %s … %s", pct(*r.BootLow), pct(*r.BootHigh))
	}
	return s
}

func num(v *float64) string {
	if v == nil {
		return none
	}
	return fmt.Sprintf("%.3f", *v)
}

func scoreText(v float64) string { return fmt.Sprintf("%.3f", v) }

func rangeText(lo, hi *float64) string {
	if lo == nil || hi == nil {
		return ""
	}
	return fmt.Sprintf("%.3f … %.3f", *lo, *hi)
}

func short(h string) string { return h[:min(16, len(h))] }

type row struct {
	Name string
	N    int
}

// rows of a table of reasons, the most frequent first.
func rows(m map[string]int) []row {
	out := make([]row, 0, len(m))
	for k, n := range m {
		out = append(out, row{strings.ReplaceAll(k, "_", " "), n})
	}
	slices.SortFunc(out, func(a, b row) int {
		if a.N != b.N {
			return b.N - a.N
		}
		return strings.Compare(a.Name, b.Name)
	})
	return out
}

const styleText = `{{define "head"}}<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{{.}}</title>
<style>
body{font:16px/1.5 "DejaVu Sans","Noto Sans",sans-serif;color:#1a1a1a;background:#fff;max-width:62rem;margin:2rem auto;padding:0 1.2rem}
h1{font-size:1.7rem;margin:0 0 .2rem}h2{font-size:1.2rem;margin:2.2rem 0 .5rem;border-bottom:2px solid #0072b2;padding-bottom:.15rem}
p{margin:.4rem 0;max-width:52rem}.sub{color:#555}.warn{background:#fff3e0;border-left:5px solid #d55e00;padding:.6rem .9rem;margin:1rem 0}
.open{background:#f2f2f2;border-left:5px solid #777;padding:.6rem .9rem}.open li{margin:.2rem 0}
.figs{display:flex;flex-wrap:wrap;gap:.8rem;margin:1rem 0}.fig{flex:1 1 11rem;border:1px solid #ccc;border-radius:6px;padding:.6rem .8rem}
.fig b{display:block;font-size:1.45rem}.fig span{color:#555;font-size:.82rem}
table{border-collapse:collapse;width:100%;font-size:.88rem;margin:.6rem 0}th,td{text-align:left;padding:.3rem .5rem;border-bottom:1px solid #ddd;vertical-align:top}
th{background:#f5f8fa}td.n{font-variant-numeric:tabular-nums;white-space:nowrap}td.s,.s{color:#555;font-size:.82rem;white-space:normal}code{font-size:.82rem;word-break:break-all}
img{max-width:100%;height:auto;border:1px solid #eee;margin:.4rem 0}dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem;font-size:.9rem}dt{color:#555}dd{margin:0;overflow-wrap:anywhere}
.weak{color:#a33c00}
</style></head><body>{{end}}`

const pageText = `{{define "facts"}}<dl>
<dt>model pack</dt><dd>{{.Model.Pack}}, embedder {{.Model.Embedder}}</dd>
<dt>manifest</dt><dd><code>sha256 {{.Model.Hash}}</code></dd>
<dt>signed by</dt><dd>{{range .Model.Signers}}{{.}} {{else}}nobody whose key was given{{end}}</dd>
<dt>verdict policy</dt><dd>{{.Policy.Verdict}}, <code>sha256 {{.Policy.Hash}}</code></dd>
<dt>quality policy</dt><dd>{{.Policy.Quality}}{{if eq .Policy.Quality "measure"}}: every picture with a face is used; quality is reported and not applied{{else}}: only what a gate would take is used{{end}}</dd>
<dt>data</dt><dd>{{.Set.Name}} ({{.Set.Form}}), <code>sha256 {{.Set.Hash}}</code></dd>
<dt>made</dt><dd>{{.Made}} by {{.Tool}}, {{.Seconds}} s</dd>
</dl>{{if .Model.Demo}}<div class="warn"><b>Demonstration models.</b> {{.Model.Statement}} {{.Model.PAD}}</div>{{end}}{{end}}

{{define "open"}}<h2>Not evaluated</h2><div class="open"><ul>{{range .}}<li>{{.}}</li>{{end}}</ul></div>{{end}}

{{define "face.html"}}{{template "head" "Face comparison: evaluation"}}
{{with .R}}<h1>Face comparison: evaluation</h1>
<p class="sub">{{.Set.Pictures}} pictures of {{.Set.Persons}} persons; {{.Set.Genuine}} genuine, {{.Set.Impostor}} impostor{{if .Set.Morph}}, {{.Set.Morph}} morph{{end}} pairs. Figures hold for these pictures and this model pack, and say nothing of other people, cameras or light.</p>
{{if .Accuracy}}<div class="figs">
<div class="fig">equal error rate<b>{{with .Accuracy.EER}}{{pct .}}{{else}}not evaluated{{end}}</b><span>{{if .Accuracy.EERLow}}by person {{pct .Accuracy.EERLow}} … {{pct .Accuracy.EERHigh}}{{end}}</span></div>
<div class="fig">false matches at {{score .Policy.Match}}<b>{{rate .Accuracy.Operating.FMR}}</b><span>{{bounds .Accuracy.Operating.FMR}}</span></div>
<div class="fig">false non-matches at {{score .Policy.Match}}<b>{{rate .Accuracy.Operating.FNMR}}</b><span>{{bounds .Accuracy.Operating.FNMR}}</span></div>
<div class="fig">faces not detected<b>{{rate .Acquisition.Detect}}</b><span>{{bounds .Acquisition.Detect}}</span></div>
</div>{{else}}<div class="warn">Recognition: not evaluated. No pair could be compared.</div>{{end}}
{{template "facts" .}}
{{range .Set.Notes}}<p class="s">Note: {{.}}.</p>{{end}}
<p class="s">Persons are told apart by {{.Set.PersonsFrom}}.</p>

<h2>Pictures</h2>
<table><tr><th>failure</th><th>rate</th><th>count and bounds at 95 % (Wilson)</th></tr>
<tr><td>to decode, of all files</td><td class="n">{{rate .Acquisition.Decode}}</td><td class="s">{{bounds .Acquisition.Decode}}</td></tr>
<tr><td>to detect a face, of the decoded</td><td class="n">{{rate .Acquisition.Detect}}</td><td class="s">{{bounds .Acquisition.Detect}}</td></tr>
<tr><td>to enrol: a gate would not take it as portrait</td><td class="n">{{rate .Acquisition.Enrol}}</td><td class="s">{{bounds .Acquisition.Enrol}}</td></tr>
<tr><td>to acquire: a gate would not take it as live picture</td><td class="n">{{rate .Acquisition.Acquire}}</td><td class="s">{{bounds .Acquisition.Acquire}}</td></tr></table>
<p class="s">{{if .Acquisition.Applied}}The last two were applied: pairs with such a picture were not compared.{{else}}The last two were measured and not applied: every detected face was compared.{{end}}
{{.Acquisition.Several}} pictures show more than one face; the large and central one was taken.</p>
{{if .Acquisition.Reasons}}<p>Not usable at all: {{range $i, $x := rows .Acquisition.Reasons}}{{if $i}}, {{end}}{{$x.Name}} {{$x.N}}{{end}}.</p>{{end}}
{{if .Acquisition.Portrait}}<p>Not a portrait for a gate: {{range $i, $x := rows .Acquisition.Portrait}}{{if $i}}, {{end}}{{$x.Name}} {{$x.N}}{{end}}.</p>{{end}}
{{if .Acquisition.Probe}}<p>Not a live picture for a gate, by the worst component: {{range $i, $x := rows .Acquisition.Probe}}{{if $i}}, {{end}}{{$x.Name}} {{$x.N}}{{end}}.</p>{{end}}

{{if .Accuracy}}<h2>Error rates</h2>
<table><tr><th>target FMR</th><th>threshold</th><th>false matches</th><th>false non-matches</th><th>false rejections, failures included</th></tr>
{{range .Accuracy.Points}}<tr><td class="n">{{pct .Target}}{{if not .Supported}} <span class="weak">weak</span>{{end}}</td><td class="n">{{score .Threshold}}<div class="s">{{span .ThresholdLow .ThresholdHigh}}</div></td>
<td class="n">{{rate .FMR}}<div class="s">{{bounds .FMR}}</div></td><td class="n">{{rate .FNMR}}<div class="s">{{bounds .FNMR}}</div></td><td class="n">{{rate .Rejected}}<div class="s">{{bounds .Rejected}}</div></td></tr>{{end}}
{{with .Accuracy.Operating}}<tr><td>policy</td><td class="n"><b>{{score .Threshold}}</b></td><td class="n">{{rate .FMR}}<div class="s">{{bounds .FMR}}</div></td><td class="n">{{rate .FNMR}}<div class="s">{{bounds .FNMR}}</div></td><td class="n">{{rate .Rejected}}<div class="s">{{bounds .Rejected}}</div></td></tr>{{end}}
</table>
<p class="s">Bounds at 95 %. The first are Wilson's, which take every pair for independent and are too narrow where persons are in many pairs; those "by person" come from drawing persons anew (bootstrap, percentiles). <span class="weak">weak</span>: fewer than 30 false matches are expected at this target, the threshold is a guess. Not compared: {{index .Accuracy.NotCompared 0}} genuine, {{index .Accuracy.NotCompared 1}} impostor pairs. Mean score (standard deviation): genuine {{score .Accuracy.GenuineMean}} ({{score .Accuracy.GenuineSD}}), impostor {{score .Accuracy.ImpostorMean}} ({{score .Accuracy.ImpostorSD}}).</p>{{end}}
{{end}}{{range .Pictures}}<img src="{{.URL}}" alt="plot: {{.Name}}">{{end}}
{{with .R}}{{with .Transaction}}<h2>Threshold per passage</h2>
<p>For at most {{pct .Target}} false matches per passage with {{.Attempts}} attempt{{if ne .Attempts 1}}s{{end}}: <b>{{score .Threshold}}</b> {{with span .ThresholdLow .ThresholdHigh}}({{.}} by person){{end}}{{if not .Supported}} <span class="weak">weak: fewer than 30 false matches are expected</span>{{end}}.</p>
<p>There: false matches {{rate .FMR}} <span class="s">({{bounds .FMR}})</span>, false non-matches {{rate .FNMR}} <span class="s">({{bounds .FNMR}})</span>.</p>
<p class="s">{{.Method}}.</p>
{{with .Worst}}<p>The group that needs most, <b>{{.Column}} = {{.Value}}</b>: <b>{{score .Threshold}}</b> {{with span .ThresholdLow .ThresholdHigh}}({{.}} by person){{end}}{{if not .Supported}} <span class="weak">weak</span>{{end}}; false non-matches of everybody there: {{rate .FNMR}} <span class="s">({{bounds .FNMR}})</span>.</p>{{end}}{{end}}

{{if .Columns}}<h2>Groups at threshold {{score .Policy.Match}}</h2>
{{range .Columns}}<h3>{{.Name}}</h3><table><tr><th>group</th><th>false matches</th><th>false non-matches</th><th>pairs not compared</th><th>threshold for the target</th></tr>
{{range .Groups}}<tr><td>{{.Value}}</td><td class="n">{{rate .FMR}}<div class="s">{{bounds .FMR}}</div></td><td class="n">{{rate .FNMR}}<div class="s">{{bounds .FNMR}}</div></td><td class="n">{{rate .Failures}}</td><td class="n">{{num .Threshold}}{{if and .Threshold (not .Supported)}} <span class="weak">weak</span>{{end}}</td></tr>{{end}}</table>
<p class="s">Worst group over the geometric mean of all: false matches {{with .FMRRatio}}{{num .}}{{else}}not evaluated (a group has none){{end}}{{with .WorstFMR}}, worst {{.}}{{end}}; false non-matches {{with .FNMRRatio}}{{num .}}{{else}}not evaluated (a group has none){{end}}{{with .WorstFNMR}}, worst {{.}}{{end}}. {{.Unlabeled}} pairs belong to no group or to two.</p>{{end}}{{end}}

{{with .Morph}}<h2>Morphed portraits</h2><p>{{bounds .Accepted}} of single attempts accepted ({{rate .Accepted}}). {{.Morphs}} morphs with two contributors and more{{if .Skipped}}; {{.Skipped}} with one only are not in the potential{{end}}.</p>
<table><tr><th>attempts accepted for every contributor</th><th>morph attack potential</th><th></th></tr>{{range $i, $x := .MAP}}<tr><td>{{inc $i}}</td><td class="n">{{rate $x}}</td><td class="s">{{bounds $x}}</td></tr>{{end}}</table>
<p>The gate's morph hint, of pairs that match: no alert for {{rate .HintAPCER}} of morphs (APCER, {{bounds .HintAPCER}}), an alert for {{rate .HintBPCER}} of genuine pairs (BPCER, {{bounds .HintBPCER}}). The portrait of a pair is its first picture.</p>{{end}}

{{if .LookAlikes}}<h2>Look-alikes</h2><p class="s">Different persons with the highest scores. First find out whether the label is wrong.</p>
<table><tr><th>score</th><th>pictures</th></tr>{{range .LookAlikes}}<tr><td class="n">{{score .Score}}{{if .Match}} <span class="weak">match</span>{{end}}</td><td>{{.A}}<br>{{.B}}</td></tr>{{end}}</table>{{end}}
{{if .Missed}}<h2>Lowest genuine scores</h2>
<table><tr><th>score</th><th>pictures</th></tr>{{range .Missed}}<tr><td class="n">{{score .Score}}{{if not .Match}} <span class="weak">no match</span>{{end}}</td><td>{{.A}}<br>{{.B}}</td></tr>{{end}}</table>{{end}}

<h2>Time per picture</h2>{{with .Latency}}<table><tr><th>milliseconds, {{.Workers}} at a time</th><th>median</th><th>95 %</th><th>longest</th></tr>
{{with .Decode}}<tr><td>opening in the confined child</td><td>{{.P50}}</td><td>{{.P95}}</td><td>{{.Max}}</td></tr>{{end}}
{{with .Detect}}<tr><td>detection</td><td>{{.P50}}</td><td>{{.P95}}</td><td>{{.Max}}</td></tr>{{end}}
{{with .Whole}}<tr><td>detection to template</td><td>{{.P50}}</td><td>{{.P95}}</td><td>{{.Max}}</td></tr>{{end}}</table>{{end}}
{{template "open" .NotEvaluated}}{{end}}</body></html>{{end}}

{{define "pad.html"}}{{template "head" "Presentation attack detection: evaluation"}}
{{with .R}}<h1>Presentation attack detection: evaluation</h1>
<p class="sub">{{.Set.Presentations}} presentations, {{.Set.Pictures}} pictures. Terms of ISO/IEC 30107-3. Figures hold for these films and this model pack, and say nothing of other instruments, cameras or light.</p>
<div class="figs">
<div class="fig">worst species, APCER<b>{{with .Worst}}{{rate .Error}}{{else}}not evaluated{{end}}</b><span>{{with .Worst}}{{.Name}}: {{bounds .Error}}{{end}}</span></div>
<div class="fig">living persons, BPCER<b>{{with .BonaFide}}{{rate .Error}}{{else}}not evaluated{{end}}</b><span>{{with .BonaFide}}{{bounds .Error}}{{end}}</span></div>
<div class="fig">required by the policy<b>{{len .Policy.Required}} signals</b><span>{{range $i, $x := .Policy.Required}}{{if $i}}, {{end}}{{$x}}{{end}}{{range $i, $x := .Policy.Veto}}{{if $i}}, {{else}}; a veto: {{end}}{{$x}}{{end}}</span></div>
</div>
{{template "facts" .}}
{{range .Set.Notes}}<p class="s">Note: {{.}}.</p>{{end}}
<p class="s">{{.Policy.Rate}} pictures a second were assumed.</p>

<h2>By species, under the policy</h2>
<table><tr><th>species</th><th>presentations</th><th>classified wrongly</th><th>refused by a required signal</th><th>no response</th></tr>
{{range .Species}}<tr><td>{{.Name}}<div class="s">{{if .BonaFide}}BPCER, BPNRR{{else}}APCER, APNRR{{end}}</div></td><td class="n">{{.Presentations}}</td><td class="n"><b>{{rate .Error}}</b><div class="s">{{bounds .Error}}</div></td><td class="n">{{rate .Detected}}<div class="s">{{bounds .Detected}}</div></td><td class="n">{{rate .NoResponse}}<div class="s">{{bounds .NoResponse}}</div></td></tr>{{end}}</table>
<p class="s">An attack is accepted, wrongly, only if every required signal passes. A living person is rejected, wrongly, if one refuses or could not be evaluated: such a person is sent to an officer. No response: no signal at all could be evaluated. Bounds at 95 % (Wilson), every presentation taken for independent.</p>

<h2>By signal, alone</h2>
<table><tr><th>species</th><th>signal</th><th>evaluated</th><th>not evaluated</th><th>error of the evaluated</th><th>score: lowest, median, highest</th></tr>
{{range .Species}}{{$k := .}}{{range .Signals}}<tr><td>{{$k.Name}}</td><td>{{.Signal}}{{if .Required}} <span class="s">required</span>{{end}}</td><td class="n">{{.Evaluated}}</td><td class="n">{{.NotEvaluated}}</td><td class="n">{{rate .Error}}<div class="s">{{bounds .Error}}</div></td><td class="n">{{if .Median}}{{num .Low}}, {{num .Median}}, {{num .High}}{{end}}</td></tr>{{end}}{{end}}</table>
<p class="s">Error: attacks that passed, living persons that did not. Planarity needs a turn of 10 degrees and more to both sides; without it, it is not evaluated.</p>
{{end}}{{range .Pictures}}<img src="{{.URL}}" alt="plot: {{.Name}}">{{end}}
{{with .R}}
<h2>Pictures of no use</h2>
<table><tr><th>species</th><th>why</th></tr>{{range .Species}}<tr><td>{{.Name}}</td><td>{{range $i, $x := rows .Reasons}}{{if $i}}, {{end}}{{$x.Name}} {{$x.N}}{{else}}none{{end}}</td></tr>{{end}}</table>
<p class="s">A picture may be of no use as a frontal one and serve as a turned one.</p>
{{with .Latency}}<p class="s">Time per picture, detection to template and texture, mean of a film: median {{.P50}} ms, 95 % {{.P95}} ms.</p>{{end}}
{{template "open" .NotEvaluated}}{{end}}</body></html>{{end}}`
