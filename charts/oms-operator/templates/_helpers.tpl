{{- define "oms-operator.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 52 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "oms-operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}{{ default (include "oms-operator.name" .) .Values.serviceAccount.name }}{{ else }}{{ default "default" .Values.serviceAccount.name }}{{ end }}
{{- end }}

{{- define "oms-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "oms-operator.ownLabels" -}}
{{ include "oms-operator.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{/* Labels of every object: the chart's, then commonLabels. */}}
{{- define "oms-operator.labels" -}}
{{- include "oms-operator.labelsWith" (list . dict) }}
{{- end }}

{{/* The same with labels of one object; call with (list . .Values.podLabels). A key stands once: the chart's own goes before
     the object's, and that before commonLabels, for selectors and Helm rest on the chart's. */}}
{{- define "oms-operator.labelsWith" -}}
{{- $root := index . 0 }}{{ $more := index . 1 }}
{{- merge (include "oms-operator.ownLabels" $root | fromYaml) (deepCopy (default dict $more)) $root.Values.commonLabels | toYaml }}
{{- end }}

{{/* Name of the ClusterRole. A name that is too long ends in a hash of all of it: the namespace must not be cut away, for
     two releases would share the role then. */}}
{{- define "oms-operator.finalizerName" -}}
{{- $full := printf "%s-finalizer-%s" (include "oms-operator.name" .) .Release.Namespace }}
{{- if gt (len $full) 63 }}{{ $full | trunc 52 | trimSuffix "-" }}-{{ $full | sha256sum | trunc 10 }}{{ else }}{{ $full }}{{ end }}
{{- end }}

{{/* Image reference out of repository, tag and digest; call with (list . .Values.image). */}}
{{- define "oms-operator.image" -}}
{{- $root := index . 0 }}{{ $image := index . 1 }}
{{- if $image.digest }}{{ $image.repository }}@{{ $image.digest }}{{ else }}{{ $image.repository }}:{{ default $root.Chart.AppVersion $image.tag }}{{ end }}
{{- end }}

{{/* The watched namespaces as a JSON list, sorted, each once. */}}
{{- define "oms-operator.watchNamespaces" -}}
{{- default (list .Release.Namespace) .Values.watchNamespaces | uniq | sortAlpha | toJson }}
{{- end }}
