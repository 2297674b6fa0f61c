package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"math/rand"
	"net/http"
	"strings"
)

// One request to come.
type shot struct {
	operation, kind    string // kind: user | attack
	method, path, body string
	user, address      string
	expected           int // the status that a well shop answers
}

func (s shot) send(g *generator) int {
	request, err := http.NewRequest(s.method, g.gateway+s.path, strings.NewReader(s.body))
	if err != nil {
		return 0
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-User", s.user)
	request.Header.Set("X-Forwarded-For", s.address)
	response, err := g.client.Do(request)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode
}

const products = 200

// Few products are popular: the n-th is asked for in proportion to 1/n.
func popular(random *rand.Rand) int {
	return int(math.Exp(random.Float64()*math.Log(products+1))) - 1
}

func (g *generator) customer(random *rand.Rand, operation, method, path, body string, expected int) shot {
	n := random.Intn(g.users)
	// Five customers share an address: a household, an office.
	return shot{operation: operation, kind: "user", method: method, path: path, body: body, expected: expected,
		user: fmt.Sprintf("u%d", n), address: fmt.Sprintf("10.%d.%d.7", n/5/250, n/5%250)}
}

func password(user string) string {
	sum := sha256.Sum256([]byte("shop:" + user))
	return hex.EncodeToString(sum[:])[:12]
}

func (g *generator) login(random *rand.Rand) shot {
	s := g.customer(random, "login", "POST", "/login", "", 200)
	word := password(s.user)
	if random.Float64() < 0.02 { // people mistype
		word, s.expected = "mistyped", 401
	}
	s.body = fmt.Sprintf(`{"user":%q,"password":%q}`, s.user, word)
	return s
}

const attackAddresses = 120

// Stolen passwords tried out, a few from each of many addresses.
func (g *generator) attack(random *rand.Rand) shot {
	user := fmt.Sprintf("u%d", random.Intn(g.users))
	return shot{operation: "login", kind: "attack", method: "POST", path: "/login", user: user, expected: 401,
		address: fmt.Sprintf("203.0.113.%d", random.Intn(attackAddresses)+1),
		body:    fmt.Sprintf(`{"user":%q,"password":"stolen-%d"}`, user, random.Intn(1000))}
}

func (g *generator) operations() map[string]func(*rand.Rand) shot {
	return map[string]func(*rand.Rand) shot{
		"home": func(r *rand.Rand) shot { return g.customer(r, "home", "GET", "/home", "", 200) },
		"search": func(r *rand.Rand) shot {
			return g.customer(r, "search", "GET", fmt.Sprintf("/search?q=product%%20%d", r.Intn(products)), "", 200)
		},
		"product": func(r *rand.Rand) shot {
			return g.customer(r, "product", "GET", fmt.Sprintf("/product/%d", popular(r)), "", 200)
		},
		"login": g.login,
		"cart": func(r *rand.Rand) shot {
			return g.customer(r, "cart", "POST", "/cart", fmt.Sprintf(`{"sku":%d}`, popular(r)), 200)
		},
		"checkout": func(r *rand.Rand) shot {
			body := fmt.Sprintf(`{"sku":%d,"amount":%d}`, r.Intn(products), 5+r.Intn(90))
			return g.customer(r, "checkout", "POST", "/checkout", body, 201)
		},
		"attack": g.attack,
	}
}
