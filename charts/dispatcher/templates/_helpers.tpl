{{- define "dispatcher.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 48 | trimSuffix "-" -}}
{{- end -}}

{{/* 48 characters leave room for "-consumer" and for what Kubernetes appends to pods. */}}
{{- define "dispatcher.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 48 | trimSuffix "-" -}}
{{- else if contains (include "dispatcher.name" .) .Release.Name -}}
{{- .Release.Name | trunc 48 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "dispatcher.name" .) | trunc 48 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "dispatcher.selector" -}}
app.kubernetes.io/name: {{ include "dispatcher.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "dispatcher.labels" -}}
{{ include "dispatcher.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "dispatcher.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* Fails where a value without a default is missing. */}}
{{- define "dispatcher.check" -}}
{{- if not .Values.kafka.brokers }}{{ fail "kafka.brokers: set at least one host:port" }}{{ end -}}
{{- if not .Values.secret.existingSecret }}{{ fail "secret.existingSecret: name the Secret with database-url, redis-url, encryption-key and operator-key" }}{{ end -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.host) }}{{ fail "ingress.host: needed when ingress.enabled" }}{{ end -}}
{{- end -}}

{{/* A setting as text. Numbers of values files are floats: without care 2097152 becomes 2.097152e+06. */}}
{{- define "dispatcher.text" -}}
{{- if and (kindIs "float64" .) (eq (float64 (int64 .)) .) -}}{{ int64 . }}{{- else -}}{{ toString . }}{{- end -}}
{{- end -}}

{{/* Settings that are no secret, as environment variables. */}}
{{- define "dispatcher.settings" -}}
DISPATCHER_KAFKA_BROKERS: {{ join "," .Values.kafka.brokers | quote }}
DISPATCHER_KAFKA_PREFIX: {{ .Values.kafka.prefix | quote }}
DISPATCHER_KAFKA_START: {{ .Values.kafka.start | quote }}
DISPATCHER_REDIS_PREFIX: {{ .Values.kafka.prefix | quote }}
{{- if .Values.kafka.tls }}
DISPATCHER_KAFKA_TLS: "true"
{{- end }}
{{- with .Values.kafka.sasl.mechanism }}
DISPATCHER_KAFKA_SASL_MECHANISM: {{ . | quote }}
DISPATCHER_KAFKA_SASL_USERNAME: {{ $.Values.kafka.sasl.username | quote }}
{{- end }}
{{- range $name, $value := .Values.settings }}
DISPATCHER_{{ $name }}: {{ include "dispatcher.text" $value | quote }}
{{- end }}
{{- end -}}

{{/* All of the above inline, for hooks, which run before the ConfigMap exists. */}}
{{- define "dispatcher.settingsInline" -}}
{{- range $name, $value := (include "dispatcher.settings" . | fromYaml) }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end -}}

{{- define "dispatcher.secrets" -}}
{{- $secret := .Values.secret.existingSecret -}}
{{- $keys := .Values.secret.keys -}}
{{- range list
  (list "DATABASE_URL" $keys.databaseUrl false)
  (list "HISTORY_DATABASE_URL" $keys.historyDatabaseUrl true)
  (list "REDIS_URL" $keys.redisUrl false)
  (list "ENCRYPTION_KEY" $keys.encryptionKey false)
  (list "OPERATOR_KEY" $keys.operatorKey (hasKey .Values.settings "OPERATOR_KEYS"))
  (list "KAFKA_SASL_PASSWORD" $keys.kafkaSaslPassword true)
  (list "FORWARD_PROXY" $keys.forwardProxy true) }}
- name: DISPATCHER_{{ index . 0 }}
  valueFrom:
    secretKeyRef:
      name: {{ $secret }}
      key: {{ index . 1 }}
      {{- if index . 2 }}
      optional: true
      {{- end }}
{{- end }}
{{- end -}}

{{- define "dispatcher.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "dispatcher.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}
