-- Argo CD does not look whether an action is disabled, and a menu may be older than the object.
local offered = false
local status = obj.status or {}
if obj.metadata.deletionTimestamp == nil and status.observedGeneration == obj.metadata.generation then
  for _, action in ipairs(status.nextActions or {}) do
    offered = offered or action.name == "RollBack"
  end
end
for _, condition in ipairs(status.conditions or {}) do
  offered = offered and condition.reason ~= "Unreadable"
end
if not offered then
  error("there is nothing to roll back; nothing was written. status.nextActions tells what can be done now", 0)
end
obj.spec.action = "RollBack"
return obj
