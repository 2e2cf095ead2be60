// Command probe is what the suite's pods run: a server and a few one-shot
// questions, in an image that holds nothing else.
//
//	probe serve PORT        answer every HTTP request with NODE_NAME
//	probe lookup NAME       print the addresses of a name
//	probe get URL           print the body
//	probe write FILE BYTES  write and sync a file of that size
package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 2 {
		return errors.New("see the source for usage")
	}
	switch args[0] {
	case "serve":
		return serve(args[1])
	case "lookup":
		addresses, err := net.LookupHost(args[1])
		fmt.Println(addresses)
		return err
	case "get":
		return get(args[1])
	case "write":
		return write(args[1], args[2])
	}
	return fmt.Errorf("unknown command %q", args[0])
}

// serve ends at once when it is told to, so that pods stop fast.
func serve(port string) error {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	failed := make(chan error, 1)
	go func() {
		failed <- http.ListenAndServe(":"+port, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, os.Getenv("NODE_NAME"))
		}))
	}()
	select {
	case err := <-failed:
		return err
	case <-stop:
		return nil
	}
}

func get(url string) error {
	client := http.Client{Timeout: 5 * time.Second}
	response, err := client.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = io.Copy(os.Stdout, response.Body)
	return err
}

func write(path, size string) error {
	bytes, err := strconv.Atoi(size)
	if err != nil {
		return err
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := file.Write(make([]byte, bytes)); err != nil {
		return err
	}
	return file.Sync()
}
