{{/* Names and labels. Every helper takes (dict "root" $ "name" <service>). */}}

{{- define "winnow.fullname" -}}
{{- $part := .name | replace "_" "-" -}}
{{- if contains "winnow" .root.Release.Name -}}
{{ printf "%s-%s" .root.Release.Name $part | trunc 63 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-winnow-%s" .root.Release.Name $part | trunc 63 | trimSuffix "-" }}
{{- end -}}
{{- end -}}

{{- define "winnow.selector" -}}
app.kubernetes.io/name: winnow
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .name | replace "_" "-" }}
{{- end -}}

{{- define "winnow.labels" -}}
{{ include "winnow.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: winnow
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "winnow.image" -}}
{{- $image := .root.Values.image -}}
{{- $tag := $image.tag | default .root.Chart.AppVersion -}}
{{- if eq $tag "latest" -}}
{{- fail "image.tag: expected a tag that always means the same image, found latest" -}}
{{- end -}}
{{- $path := printf "%s/%s:%s" $image.repository (.name | replace "_" "-") $tag -}}
{{- if $image.registry }}{{ printf "%s/%s" $image.registry $path }}{{ else }}{{ $path }}{{ end -}}
{{- end -}}

{{/* Text of a setting: numbers as written, not as Go prints floats (1e+06). */}}
{{- define "winnow.text" -}}
{{- if kindIs "string" . }}{{ . | quote }}{{ else }}{{ . | toJson | quote }}{{ end -}}
{{- end -}}
