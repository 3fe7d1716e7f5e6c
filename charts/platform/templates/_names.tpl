{{/* Names, labels and what all backends' pods share: (dict "root" $ "name" <backend>). */}}

{{- define "platform.fullname" -}}
{{ printf "%s-%s" .root.Release.Name .name | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{- define "platform.host" -}}
{{ include "platform.fullname" . }}.{{ .root.Release.Namespace }}.svc
{{- end -}}

{{- define "platform.selector" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end -}}

{{- define "platform.labels" -}}
{{ include "platform.selector" . }}
app.kubernetes.io/part-of: winnow-platform
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "platform.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "platform.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* The head of a StatefulSet of one pod, up to its pod's spec. */}}
{{- define "platform.statefulSet" -}}
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {{ include "platform.fullname" . }}
  labels: {{- include "platform.labels" . | nindent 4 }}
spec:
  serviceName: {{ include "platform.fullname" . }}
  replicas: 1
  selector:
    matchLabels: {{- include "platform.selector" . | nindent 6 }}
  # Data go with the release: its passwords go too, and would not fit the next ones.
  persistentVolumeClaimRetentionPolicy: {whenDeleted: Delete, whenScaled: Retain}
  volumeClaimTemplates:
    - metadata: {name: data}
      spec:
        accessModes: [ReadWriteOnce]
        resources: {requests: {storage: {{ .values.storage }}}}
{{- end -}}
