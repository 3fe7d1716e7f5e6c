{{/* All objects of one service: (dict "root" $ "name" <service> "service" <its values>). */}}

{{- define "winnow.service" -}}
{{- $values := .root.Values -}}
{{- $service := .service -}}
{{- $fullname := include "winnow.fullname" . -}}
{{- $replicas := $values.defaults.replicas -}}
{{- if not (kindIs "invalid" $service.replicas) }}{{ $replicas = $service.replicas }}{{ end -}}
{{- $account := $service.serviceAccount | default dict -}}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ $fullname }}
  labels: {{- include "winnow.labels" . | nindent 4 }}
  {{- with $account.annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
automountServiceAccountToken: {{ $account.automountToken | default false }}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ $fullname }}
  labels: {{- include "winnow.labels" . | nindent 4 }}
data: {{- include "winnow.settings" . | trim | nindent 2 }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ $fullname }}
  labels: {{- include "winnow.labels" . | nindent 4 }}
spec:
  selector: {{- include "winnow.selector" . | nindent 4 }}
  ports:
    - {name: http, port: {{ $values.httpPort }}, targetPort: http}
    {{- range $name, $port := $service.ports }}
    - {name: {{ $name }}, port: {{ $port }}, targetPort: {{ $name }}}
    {{- end }}
{{- with $service.storage }}
{{- if gt (int $replicas) 1 }}
{{- fail (printf "services.%s.storage: expected null with %d replicas, as one pod at a time has a volume" $.name (int $replicas)) }}
{{- end }}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: {{ $fullname }}
  labels: {{- include "winnow.labels" $ | nindent 4 }}
spec:
  accessModes: [ReadWriteOnce]
  {{- with .storageClass }}
  storageClassName: {{ . }}
  {{- end }}
  resources: {requests: {storage: {{ .size }}}}
{{- end }}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $fullname }}
  labels: {{- include "winnow.labels" . | nindent 4 }}
spec:
  replicas: {{ $replicas }}
  {{- if $service.storage }}
  # Two pods cannot have the volume at once, on two nodes not even for a moment.
  strategy: {type: Recreate}
  {{- end }}
  selector:
    matchLabels: {{- include "winnow.selector" . | nindent 6 }}
  template:
    metadata:
      labels: {{- include "winnow.labels" . | nindent 8 }}
      annotations:
        # Settings are read once at the start: a change must make new pods.
        checksum/settings: {{ include "winnow.settings" . | sha256sum }}
        prometheus.io/scrape: "true"
        prometheus.io/port: {{ $values.httpPort | quote }}
        prometheus.io/path: /metrics
        {{- with mergeOverwrite (deepCopy $values.podAnnotations) ($service.podAnnotations | default dict) }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec: {{- include "winnow.pod" . | nindent 6 }}
{{- if gt (int $replicas) 1 }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ $fullname }}
  labels: {{- include "winnow.labels" . | nindent 4 }}
spec:
  maxUnavailable: 1
  selector:
    matchLabels: {{- include "winnow.selector" . | nindent 6 }}
{{- end }}
{{- end -}}

{{/* What a service says itself wins over what holds for all. */}}
{{- define "winnow.settings" -}}
{{- $values := .root.Values -}}
{{- $prefix := printf "WINNOW_%s" (upper .name) -}}
{{- $common := dict "topic_prefix" $values.topicPrefix "log_format" $values.logFormat "http_port" $values.httpPort "drain_timeout_seconds" $values.drainTimeoutSeconds -}}
{{- range $name, $value := merge (deepCopy (.service.settings | default dict)) $common }}
{{ $prefix }}_{{ upper $name }}: {{ include "winnow.text" $value }}
{{- end }}
{{- end -}}
