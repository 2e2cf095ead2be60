package cluster

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"

	"example.invalid/oms-operator/tests/cluster/internal/provisioner"
)

// applyDefaults creates the objects that a cluster is expected to have:
// storage classes, and the name server's Service and rights.
func (c *Cluster) applyDefaults(ctx context.Context, client kubernetes.Interface) error {
	var failure error
	create := func(what string, err error) {
		if failure == nil && err != nil && !apierrors.IsAlreadyExists(err) {
			failure = fmt.Errorf("create %s: %w", what, err)
		}
	}
	options := metav1.CreateOptions{}
	for _, class := range storageClasses() {
		_, err := client.StorageV1().StorageClasses().Create(ctx, class, options)
		create("StorageClass "+class.Name, err)
	}
	role := &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: userCoreDNS},
		Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{""}, Resources: []string{"services", "pods", "namespaces", "endpoints"}, Verbs: []string{"list", "watch"}},
			{APIGroups: []string{"discovery.k8s.io"}, Resources: []string{"endpointslices"}, Verbs: []string{"list", "watch"}},
		},
	}
	_, err := client.RbacV1().ClusterRoles().Create(ctx, role, options)
	create("ClusterRole", err)
	_, err = client.RbacV1().ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: userCoreDNS},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: userCoreDNS}},
	}, options)
	create("ClusterRoleBinding", err)
	service, slice := c.nameServer()
	// A second attempt to create it would fail on its address, not its name.
	_, err = client.CoreV1().Services(service.Namespace).Get(ctx, service.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		_, err = client.CoreV1().Services(service.Namespace).Create(ctx, service, options)
	}
	create("Service kube-dns", err)
	_, err = client.DiscoveryV1().EndpointSlices(slice.Namespace).Create(ctx, slice, options)
	create("EndpointSlice kube-dns", err)
	return failure
}

// nameServer makes CoreDNS, which runs beside the API server, reachable at the
// address that every pod gets.
func (c *Cluster) nameServer() (*corev1.Service, *discoveryv1.EndpointSlice) {
	meta := metav1.ObjectMeta{Name: "kube-dns", Namespace: metav1.NamespaceSystem}
	service := &corev1.Service{
		ObjectMeta: meta,
		Spec: corev1.ServiceSpec{ClusterIP: c.DNSIP(), Ports: []corev1.ServicePort{
			{Name: "dns", Protocol: corev1.ProtocolUDP, Port: 53, TargetPort: intstr.FromInt32(53)},
			{Name: "dns-tcp", Protocol: corev1.ProtocolTCP, Port: 53, TargetPort: intstr.FromInt32(53)},
		}},
	}
	meta.Labels = map[string]string{discoveryv1.LabelServiceName: "kube-dns"}
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta:  meta,
		AddressType: discoveryv1.AddressTypeIPv4,
		Endpoints: []discoveryv1.Endpoint{{
			Addresses:  []string{c.NodeIP(1).String()},
			Conditions: discoveryv1.EndpointConditions{Ready: ptr.To(true)},
		}},
		Ports: []discoveryv1.EndpointPort{
			{Name: ptr.To("dns"), Protocol: ptr.To(corev1.ProtocolUDP), Port: ptr.To(int32(53))},
			{Name: ptr.To("dns-tcp"), Protocol: ptr.To(corev1.ProtocolTCP), Port: ptr.To(int32(53))},
		},
	}
	return service, slice
}

// storageClasses are the volumes that tests need; README.md describes them.
func storageClasses() []*storagev1.StorageClass {
	class := func(name string, mode storagev1.VolumeBindingMode, parameters map[string]string) *storagev1.StorageClass {
		return &storagev1.StorageClass{
			ObjectMeta:        metav1.ObjectMeta{Name: name},
			Provisioner:       provisioner.Name,
			Parameters:        parameters,
			VolumeBindingMode: &mode,
			ReclaimPolicy:     ptr.To(corev1.PersistentVolumeReclaimDelete),
		}
	}
	standard := class("standard", storagev1.VolumeBindingImmediate,
		map[string]string{provisioner.ParameterMode: "0777"})
	standard.Annotations = map[string]string{"storageclass.kubernetes.io/is-default-class": "true"}
	return []*storagev1.StorageClass{
		standard,
		class("local", storagev1.VolumeBindingWaitForFirstConsumer,
			map[string]string{provisioner.ParameterMode: "0777", provisioner.ParameterScope: provisioner.ScopeNode}),
		class("small", storagev1.VolumeBindingWaitForFirstConsumer,
			map[string]string{provisioner.ParameterScope: provisioner.ScopeSmall}),
		class("unwritable", storagev1.VolumeBindingImmediate,
			map[string]string{provisioner.ParameterMode: "0755"}),
	}
}
