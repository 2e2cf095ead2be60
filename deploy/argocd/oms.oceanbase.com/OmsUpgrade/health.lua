local hs = {status = "Progressing", message = "not looked at yet"}
if obj.status == nil or obj.status.conditions == nil or obj.status.observedGeneration ~= obj.metadata.generation then
  return hs
end
local is = {}
for _, condition in ipairs(obj.status.conditions) do
  is[condition.type] = condition.status == "True"
  if condition.type == "Ready" then hs.message = condition.message end
end
if is.Stalled then
  hs.status = "Degraded"
elseif is.Reconciling then
  -- A pause holds the way forward at the next boundary of phases; a way back is never held.
  if is.Paused and obj.status.direction == "Forward" then hs.status = "Suspended" end
elseif is.Ready then
  hs.status = "Healthy"
elseif obj.status.phase == "Planned" then
  hs.status = "Suspended"
end
return hs
