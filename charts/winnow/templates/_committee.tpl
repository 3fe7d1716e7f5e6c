{{/* What rollout must be told, and may do, where committees are served on KServe. Takes the root. */}}

{{- define "winnow.committee.namespace" -}}
{{ .Values.committee.namespace | default .Release.Namespace }}
{{- end -}}

{{/* Values of the service rollout; what it says itself wins. */}}
{{- define "winnow.committee.rollout" -}}
{{- $committee := .Values.committee -}}
{{- $resources := dict -}}
{{- range $kind, $amounts := $committee.resources }}
{{- $texts := dict -}}
{{- range $name, $amount := $amounts }}
{{- $_ := set $texts $name (ternary $amount (toJson $amount) (kindIs "string" $amount)) -}}
{{- end -}}
{{- $_ := set $resources $kind $texts -}}
{{- end -}}
{{- $serving := dict
  "namespace" (include "winnow.committee.namespace" .)
  "image" (include "winnow.image" (dict "root" . "name" "committee"))
  "image_pull_policy" .Values.image.pullPolicy
  "blobs_secret" .Values.connections.existingSecret
  "blobs_key" .Values.connections.blobsKey
  "service_account" $committee.serviceAccount
  "replicas" $committee.replicas
  "torch_threads" $committee.torchThreads
  "resources" $resources
  "node_selector" $committee.nodeSelector
  "tolerations" $committee.tolerations
  "logger" $committee.logger -}}
{{- dict "settings" (dict "deployments" "kserve" "kserve" (toJson $serving)) "serviceAccount" (dict "automountToken" true) | toYaml }}
{{- end -}}

{{- define "winnow.committee.access" -}}
{{- $it := dict "root" . "name" "rollout" -}}
{{- $fullname := include "winnow.fullname" $it -}}
{{- $namespace := include "winnow.committee.namespace" . -}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ $fullname }}
  namespace: {{ $namespace }}
  labels: {{- include "winnow.labels" $it | nindent 4 }}
rules:
  - apiGroups: [serving.kserve.io]
    resources: [inferenceservices]
    verbs: [get, list, create, patch, delete]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ $fullname }}
  namespace: {{ $namespace }}
  labels: {{- include "winnow.labels" $it | nindent 4 }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: {{ $fullname }}}
subjects:
  - {kind: ServiceAccount, name: {{ $fullname }}, namespace: {{ .Release.Namespace }}}
{{- end -}}
