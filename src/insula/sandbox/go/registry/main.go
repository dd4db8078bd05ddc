// Command registry is the OCI distribution registry, fit for `ollama pull`.
//
// Ollama's client (0.17) takes a blob's address from a redirect to another host name and fails with
// "no Location header in response" when the registry answers with the blob itself. So a blob that Ollama
// asks for under the front name is sent on to the same server under its second name. Container runtimes, which could
// not find that name, get the blob at once.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
)

const config = `version: 0.1
log: {level: warn}
storage:
  filesystem: {rootdirectory: %q}
  delete: {enabled: true}
http: {addr: %q, relativeurls: true}
`

func redirectBlobs(next http.Handler, blobHost string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/sha256:") && r.Host != blobHost &&
			strings.HasPrefix(r.UserAgent(), "ollama/") {
			http.Redirect(w, r, "http://"+blobHost+r.URL.Path, http.StatusTemporaryRedirect)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: registry ROOT ADDRESS BLOB_HOST")
		os.Exit(2)
	}
	root, address, blobHost := os.Args[1], os.Args[2], os.Args[3]
	settings, err := configuration.Parse(strings.NewReader(fmt.Sprintf(config, root, address)))
	if err != nil {
		log.Fatal(err)
	}
	app := handlers.NewApp(context.Background(), settings)
	server := &http.Server{Addr: address, Handler: redirectBlobs(app, blobHost), ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(server.ListenAndServe())
}
