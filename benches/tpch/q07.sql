with shipping as (
    select
        supplier_nation.n_name as supp_nation,
        customer_nation.n_name as cust_nation,
        extract(year from l_shipdate) as l_year,
        l_extendedprice * (1 - l_discount) as volume
    from {{ source('tpch', 'supplier') }}
    join {{ source('tpch', 'lineitem') }} on s_suppkey = l_suppkey
    join {{ source('tpch', 'orders') }} on o_orderkey = l_orderkey
    join {{ source('tpch', 'customer') }} on c_custkey = o_custkey
    join {{ source('tpch', 'nation') }} as supplier_nation on s_nationkey = supplier_nation.n_nationkey
    join {{ source('tpch', 'nation') }} as customer_nation on c_nationkey = customer_nation.n_nationkey
    where ((supplier_nation.n_name = 'FRANCE' and customer_nation.n_name = 'GERMANY')
        or (supplier_nation.n_name = 'GERMANY' and customer_nation.n_name = 'FRANCE'))
        and l_shipdate between date '1995-01-01' and date '1996-12-31'
)
select supp_nation, cust_nation, l_year, sum(volume) as revenue
from shipping
group by supp_nation, cust_nation, l_year
