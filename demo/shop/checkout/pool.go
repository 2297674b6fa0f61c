package main

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	"go.opentelemetry.io/otel/attribute"
)

// The connections that orders are written through. A leak is what a stuck batch job does: it takes connections and
// does not give them back.
type orderPool struct {
	db    *sql.DB
	mutex sync.Mutex
	held  []*sql.Conn
}

func openOrderPool(url string) (*orderPool, error) {
	db, err := sql.Open("pgx", url)
	if err != nil {
		return nil, err
	}
	db.SetMaxIdleConns(4)
	_, err = db.Exec(`CREATE TABLE IF NOT EXISTS orders (id BIGSERIAL PRIMARY KEY, customer TEXT, sku INT, amount INT)`)
	return &orderPool{db: db}, err
}

func (p *orderPool) resize(size int64) { p.db.SetMaxOpenConns(int(max(size, 1))) }
func (p *orderPool) inUse() int64      { return int64(p.db.Stats().InUse) }

func (p *orderPool) insert(ctx context.Context, o order) (id int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	ctx, span := clientSpan(ctx, "INSERT orders", "postgresql", attribute.String("db.system.name", "postgresql"))
	defer func() { finish(span, err) }()
	row := p.db.QueryRowContext(ctx, `INSERT INTO orders (customer, sku, amount) VALUES ($1, $2, $3) RETURNING id`,
		o.User, o.Sku, o.Amount)
	if err = row.Scan(&id); errors.Is(err, context.DeadlineExceeded) {
		err = errors.New("no free database connection within 1 s")
	}
	return id, err
}

// Holds n connections, or gives all of them back (n = 0). Taking them may have to wait until others are returned.
func (p *orderPool) leak(n int) {
	p.mutex.Lock()
	for _, c := range p.held {
		_ = c.Close()
	}
	p.held = nil
	p.mutex.Unlock()
	for range n {
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
			defer cancel()
			if c, err := p.db.Conn(ctx); err == nil {
				p.mutex.Lock()
				p.held = append(p.held, c)
				p.mutex.Unlock()
			}
		}()
	}
}
