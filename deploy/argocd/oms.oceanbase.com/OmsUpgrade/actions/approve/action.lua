-- Argo CD does not look whether an action is disabled, and a menu may be older than the object.
local offered = false
local status = obj.status or {}
if obj.metadata.deletionTimestamp == nil and status.observedGeneration == obj.metadata.generation then
  for _, action in ipairs(status.nextActions or {}) do
    offered = offered or action.name == "Approve"
  end
end
for _, condition in ipairs(status.conditions or {}) do
  offered = offered and condition.reason ~= "Unreadable"
end
if not offered then
  error("no plan waits for an approval; nothing was written. status.nextActions tells what can be done now", 0)
end
local hash = status.plan.hash
local read = actionParams and actionParams["planHash"] or ""
if read ~= "" and read ~= hash then
  error("the plan that waits is " .. hash .. ", not " .. read .. "; nothing was written. Read status.plan", 0)
end
obj.spec.approval.planHash = hash
obj.spec.approval.by = "Argo CD"
return obj
