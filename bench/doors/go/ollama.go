package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

const (
	pieces = 64 // of an answer whose request does not say how many
	opened = `{"model":"gemma3:270m","created_at":"2026-01-01T00:00:00.000000Z","message":{"role":"assistant","content":`
	ending = `""},"done":true,"done_reason":"stop","total_duration":1500000000,"load_duration":100000000,` +
		`"prompt_eval_count":700,"prompt_eval_duration":200000000,"eval_count":64,"eval_duration":3200000}` + "\n"
	chunk = `{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1767225600,"model":"gemma3:270m",` +
		`"choices":[{"index":0,"delta":{"role":"assistant","content":%q},"finish_reason":%s}]}`
	whole = `{"id":"chatcmpl-1","object":"chat.completion","created":1767225600,"model":"gemma3:270m",` +
		`"choices":[{"index":0,"message":{"role":"assistant","content":%q},"finish_reason":"stop"}],` +
		`"usage":{"prompt_tokens":700,"completion_tokens":64,"total_tokens":764}}` + "\n"
	tags = `{"models":[{"name":"gemma3:270m","model":"gemma3:270m","digest":"` +
		`aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","size":291554930}]}`
)

type question struct {
	Stream    *bool `json:"stream"`
	MaxTokens int   `json:"max_tokens"`
	Options   struct {
		NumPredict int `json:"num_predict"`
	} `json:"options"`
}

// ollama answers at once, or in pieces at a set pace. Each piece says when it was sent.
func ollama(words []string) {
	flags := flag.NewFlagSet("ollama", flag.ExitOnError)
	listen := flags.String("listen", "0.0.0.0:0", "address")
	pace := flags.Float64("pace", 20, "pieces a second of a stream")
	check(flags.Parse(words))
	between := time.Duration(float64(time.Second) / *pace)
	http.HandleFunc("/", func(writer http.ResponseWriter, request *http.Request) {
		body, _ := io.ReadAll(request.Body)
		switch request.URL.Path {
		case "/api/tags", "/api/ps":
			writer.Header().Set("Content-Type", "application/json; charset=utf-8")
			io.WriteString(writer, tags)
		case "/api/version":
			writer.Header().Set("Content-Type", "application/json; charset=utf-8")
			io.WriteString(writer, `{"version":"0.12.0"}`)
		default:
			answer(writer, body, strings.HasPrefix(request.URL.Path, "/v1/"), between)
		}
	})
	check(http.ListenAndServe(*listen, nil))
}

func answer(writer http.ResponseWriter, body []byte, openai bool, between time.Duration) {
	var asked question
	json.Unmarshal(body, &asked)
	streams := asked.Stream != nil && *asked.Stream || asked.Stream == nil && !openai
	if !streams {
		writer.Header().Set("Content-Type", "application/json; charset=utf-8")
		if openai {
			fmt.Fprintf(writer, whole, stamp())
		} else {
			io.WriteString(writer, opened+ending)
		}
		return
	}
	count := max(asked.Options.NumPredict, asked.MaxTokens)
	if count == 0 {
		count = pieces
	}
	if openai {
		writer.Header().Set("Content-Type", "text/event-stream")
	} else {
		writer.Header().Set("Content-Type", "application/x-ndjson")
	}
	flusher := writer.(http.Flusher)
	next := time.Now()
	for number := 0; number < count; number++ {
		if number > 0 {
			next = next.Add(between)
			time.Sleep(time.Until(next))
		}
		var err error
		if openai {
			_, err = fmt.Fprintf(writer, "data: "+chunk+"\n\n", stamp(), "null")
		} else {
			_, err = fmt.Fprintf(writer, "%s%q},\"done\":false}\n", opened, stamp())
		}
		if err != nil {
			return
		}
		flusher.Flush()
	}
	if openai {
		fmt.Fprintf(writer, "data: "+chunk+"\n\ndata: [DONE]\n\n", "", `"stop"`)
	} else {
		io.WriteString(writer, opened+ending)
	}
}

// stamp is a word that says when it was spoken; it passes any proxy that passes words.
func stamp() string {
	return fmt.Sprintf(" @%d@", time.Now().UnixNano())
}
