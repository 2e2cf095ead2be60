// Package provisioner makes a directory of the machine into a
// PersistentVolume when a claim asks for one, and removes it with the volume.
//
// It may touch the cluster's own state directory and, of the API, only
// PersistentVolumes.
package provisioner

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/ptr"
)

// Name is what a StorageClass writes into its provisioner field.
const Name = "testcluster.local/directory"

// The parameters of a StorageClass.
const (
	// ParameterMode is the directory's mode in octal, owned by root. The
	// volumes are of type hostPath, which ignores fsGroup: 0777 is what lets
	// an unprivileged pod write.
	ParameterMode = "mode"
	// ParameterScope is where the data lies: on storage that all nodes
	// reach (the default), or see the constants below.
	ParameterScope = "scope"
	// ScopeNode puts the data on the node where the first pod runs.
	ScopeNode = "node"
	// ScopeSmall is the node's small file system, shared by all such claims.
	ScopeSmall = "small"
)

const (
	annotationNode = "volume.kubernetes.io/selected-node"
	annotationBy   = "pv.kubernetes.io/provisioned-by"
)

// provisioner reacts to claims and volumes.
type provisioner struct {
	client kubernetes.Interface
	// state is the cluster's state directory.
	state string
}

// Main runs until it is told to stop. args[0] is the program's name.
func Main(args []string) int {
	flags := flag.NewFlagSet(args[0], flag.ExitOnError)
	kubeconfig := flags.String("kubeconfig", "", "client configuration")
	state := flags.String("state", "", "state directory of the cluster")
	flags.Parse(args[1:])
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	p := &provisioner{client: client, state: *state}
	p.run(ctx)
	return 0
}

// run watches until the context ends. The resync repeats what failed.
func (p *provisioner) run(ctx context.Context) {
	factory := informers.NewSharedInformerFactory(p.client, 10*time.Second)
	handle := func(object any) {
		var err error
		switch item := object.(type) {
		case *corev1.PersistentVolumeClaim:
			err = p.provision(ctx, item)
		case *corev1.PersistentVolume:
			err = p.release(ctx, item)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, time.Now().Format(time.RFC3339), err)
		}
	}
	handlers := cache.ResourceEventHandlerFuncs{
		AddFunc:    handle,
		UpdateFunc: func(_, object any) { handle(object) },
	}
	factory.Core().V1().PersistentVolumeClaims().Informer().AddEventHandler(handlers)
	factory.Core().V1().PersistentVolumes().Informer().AddEventHandler(handlers)
	factory.Start(ctx.Done())
	<-ctx.Done()
}

// provision makes the volume of a claim that waits for one of ours.
func (p *provisioner) provision(ctx context.Context, claim *corev1.PersistentVolumeClaim) error {
	if claim.Spec.VolumeName != "" || claim.DeletionTimestamp != nil || ptr.Deref(claim.Spec.StorageClassName, "") == "" {
		return nil
	}
	class, err := p.client.StorageV1().StorageClasses().Get(ctx, *claim.Spec.StorageClassName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	node := claim.Annotations[annotationNode]
	if class.Provisioner != Name || node == "" && *class.VolumeBindingMode == storagev1.VolumeBindingWaitForFirstConsumer {
		return nil
	}
	volume, err := p.volume(claim, class, node)
	if err != nil {
		return fmt.Errorf("claim %s/%s: %w", claim.Namespace, claim.Name, err)
	}
	_, err = p.client.CoreV1().PersistentVolumes().Create(ctx, volume, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("claim %s/%s: %w", claim.Namespace, claim.Name, err)
	}
	return nil
}

// volume makes the directory and describes it. The name derives from the
// claim's uid, so that doing it twice is harmless.
func (p *provisioner) volume(claim *corev1.PersistentVolumeClaim, class *storagev1.StorageClass, node string) (*corev1.PersistentVolume, error) {
	name := "pvc-" + string(claim.UID)
	var directory string
	var affinity *corev1.VolumeNodeAffinity
	switch scope := class.Parameters[ParameterScope]; scope {
	case "":
		directory = filepath.Join(p.state, "volumes", name)
	case ScopeNode:
		directory = filepath.Join(p.state, node, "volumes", name)
		affinity = only(node)
	case ScopeSmall:
		directory = filepath.Join(p.state, node, "small")
		affinity = only(node)
	default:
		return nil, fmt.Errorf("StorageClass %s: unknown scope %q", class.Name, scope)
	}
	if affinity == nil || class.Parameters[ParameterScope] == ScopeNode {
		mode, err := strconv.ParseUint(class.Parameters[ParameterMode], 8, 32)
		if err != nil {
			return nil, fmt.Errorf("StorageClass %s: mode: %w", class.Name, err)
		}
		if err := os.MkdirAll(directory, 0o755); err != nil {
			return nil, err
		}
		if err := os.Chmod(directory, os.FileMode(mode)); err != nil {
			return nil, err
		}
	}
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{annotationBy: Name}},
		Spec: corev1.PersistentVolumeSpec{
			AccessModes:                   claim.Spec.AccessModes,
			Capacity:                      corev1.ResourceList{corev1.ResourceStorage: claim.Spec.Resources.Requests[corev1.ResourceStorage]},
			PersistentVolumeReclaimPolicy: ptr.Deref(class.ReclaimPolicy, corev1.PersistentVolumeReclaimDelete),
			StorageClassName:              class.Name,
			VolumeMode:                    claim.Spec.VolumeMode,
			NodeAffinity:                  affinity,
			ClaimRef: &corev1.ObjectReference{
				APIVersion: "v1", Kind: "PersistentVolumeClaim",
				Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID,
			},
			PersistentVolumeSource: corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{
				Path: directory, Type: ptr.To(corev1.HostPathDirectory),
			}},
		},
	}, nil
}

func only(node string) *corev1.VolumeNodeAffinity {
	return &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
		MatchExpressions: []corev1.NodeSelectorRequirement{{
			Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{node},
		}},
	}}}}
}

// release removes one of our volumes whose claim is gone.
func (p *provisioner) release(ctx context.Context, volume *corev1.PersistentVolume) error {
	if volume.Status.Phase != corev1.VolumeReleased || volume.Annotations[annotationBy] != Name ||
		volume.Spec.PersistentVolumeReclaimPolicy != corev1.PersistentVolumeReclaimDelete || volume.DeletionTimestamp != nil {
		return nil
	}
	directory := volume.Spec.HostPath.Path
	// Only a directory that was made for this volume alone is removed.
	if filepath.Base(directory) == volume.Name {
		if err := os.RemoveAll(directory); err != nil {
			return err
		}
	}
	err := p.client.CoreV1().PersistentVolumes().Delete(ctx, volume.Name, metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
