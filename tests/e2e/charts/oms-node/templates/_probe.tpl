{{- define "probe" -}}
httpGet:
  path: /oms/health
  port: 8089
periodSeconds: {{ index . 0 }}
failureThreshold: {{ index . 1 }}
timeoutSeconds: 4
{{- end -}}
