{{/* The pod of one service: (dict "root" $ "name" <service> "service" <its values>). */}}

{{- define "winnow.pod" -}}
{{- $values := .root.Values -}}
{{- $service := .service -}}
{{- $fullname := include "winnow.fullname" . -}}
{{- $prefix := printf "WINNOW_%s" (upper .name) -}}
{{- $account := $service.serviceAccount | default dict -}}
serviceAccountName: {{ $fullname }}
automountServiceAccountToken: {{ $account.automountToken | default false }}
# A Service called winnow-qa would put WINNOW_QA_PORT and others beside the settings.
enableServiceLinks: false
terminationGracePeriodSeconds: {{ add $values.drainTimeoutSeconds 10 }}
{{- with $values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: {{ $values.runAsUser }}
  runAsGroup: {{ $values.runAsUser }}
  fsGroup: {{ $values.runAsUser }}
  seccompProfile: {type: RuntimeDefault}
containers:
  - name: {{ .name | replace "_" "-" }}
    image: {{ include "winnow.image" . }}
    imagePullPolicy: {{ $values.image.pullPolicy }}
    securityContext:
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities: {drop: [ALL]}
    envFrom:
      - configMapRef: {name: {{ $fullname }}}
    env:
      # Linear algebra would start a thread for each core of the node, whatever the limit is.
      # Without a limit this is the number of the node's cores.
      {{- range $threads := list "OMP_NUM_THREADS" "OPENBLAS_NUM_THREADS" }}
      - name: {{ $threads }}
        valueFrom:
          resourceFieldRef: {resource: limits.cpu, divisor: "1"}
      {{- end }}
      {{- $connections := $values.connections }}
      {{- range $setting, $key := dict "LEDGER_URL" $connections.ledgerKey "BUS_URL" $connections.busKey "BLOBS_URL" $connections.blobsKey }}
      - name: {{ $prefix }}_{{ $setting }}
        valueFrom:
          secretKeyRef: {name: {{ $connections.existingSecret }}, key: {{ $key }}}
      {{- end }}
      {{- range $setting, $ref := $service.secretSettings }}
      - name: {{ $prefix }}_{{ upper $setting }}
        valueFrom:
          secretKeyRef: {name: {{ $ref.secret }}, key: {{ $ref.key }}}
      {{- end }}
    ports:
      - {name: http, containerPort: {{ $values.httpPort }}}
      {{- range $name, $port := $service.ports }}
      - {name: {{ $name }}, containerPort: {{ $port }}}
      {{- end }}
    # Importing torch on a busy node takes a minute; after that, silence for a minute is death.
    startupProbe:
      httpGet: {path: /healthz, port: http}
      periodSeconds: 2
      timeoutSeconds: 5
      failureThreshold: 120
    livenessProbe:
      httpGet: {path: /healthz, port: http}
      periodSeconds: 10
      timeoutSeconds: 5
      failureThreshold: 6
    readinessProbe:
      httpGet: {path: /readyz, port: http}
      periodSeconds: 5
      timeoutSeconds: 5
      failureThreshold: 3
    resources: {{- $service.resources | default $values.defaults.resources | toYaml | nindent 6 }}
    volumeMounts:
      - {name: scratch, mountPath: /tmp}
      {{- with $service.storage }}
      - {name: storage, mountPath: {{ .mountPath }}}
      {{- end }}
      {{- range $pos, $files := $service.secretFiles }}
      - {name: secret-{{ $pos }}, mountPath: {{ $files.mountPath }}, readOnly: true}
      {{- end }}
volumes:
  - name: scratch
    emptyDir: {sizeLimit: {{ $service.scratchSize | default $values.defaults.scratchSize }}}
  {{- if $service.storage }}
  - name: storage
    persistentVolumeClaim: {claimName: {{ $fullname }}}
  {{- end }}
  {{- range $pos, $files := $service.secretFiles }}
  - name: secret-{{ $pos }}
    secret: {secretName: {{ $files.secret }}, defaultMode: 0440}
  {{- end }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "winnow.selector" . | nindent 8 }}
{{- with $service.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $service.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $service.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
